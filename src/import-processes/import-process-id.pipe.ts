import { Injectable, type PipeTransform } from '@nestjs/common';
import { importProcessNotFound } from './import-process.errors.js';

/** The id in a path. What cannot be an id names no import process: 404, and no bigint ever overflows in PostgreSQL. */
@Injectable()
export class ImportProcessIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw importProcessNotFound(text);
    return Number(text);
  }
}
