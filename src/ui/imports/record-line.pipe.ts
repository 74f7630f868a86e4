import { Injectable, type PipeTransform } from '@nestjs/common';
import { DomainError } from '../../common/domain.error.js';

/** The line in a path. What cannot be one has no record: 404, and no integer ever overflows in PostgreSQL. */
@Injectable()
export class RecordLinePipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
    const detail = `"${text.slice(0, 40)}" is no line of a file: lines are counted from 1.`;
    throw new DomainError(404, 'record_not_found', 'There is no such record', detail);
  }
}
