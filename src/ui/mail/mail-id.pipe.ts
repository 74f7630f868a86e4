import { Injectable, type PipeTransform } from '@nestjs/common';
import { mailNotFound } from '../../notifications/mailbox.js';

/** The id in a path. What cannot be an id names no mail: 404, and no bigint ever overflows in PostgreSQL. */
@Injectable()
export class MailIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw mailNotFound(text);
    return Number(text);
  }
}
