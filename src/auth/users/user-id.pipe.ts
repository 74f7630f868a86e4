import { Injectable, type PipeTransform } from '@nestjs/common';
import { userNotFound } from './user.errors.js';

/** The id in a path. What cannot be an id names nobody: 404. */
@Injectable()
export class UserIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw userNotFound(text);
    return Number(text);
  }
}
