import { Injectable, type PipeTransform } from '@nestjs/common';
import { apiKeyNotFound } from './auth.errors.js';

/** The id in a path. What cannot be an id names no key: 404. */
@Injectable()
export class ApiKeyIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw apiKeyNotFound(text);
    return Number(text);
  }
}
