import { Injectable, type PipeTransform } from '@nestjs/common';
import { batchNotFound } from './batch.errors.js';

/** The id in a path. What cannot be an id names no batch: 404, and no bigint ever overflows in PostgreSQL. */
@Injectable()
export class BatchIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw batchNotFound(text);
    return Number(text);
  }
}
