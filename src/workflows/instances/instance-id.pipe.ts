import { Injectable, type PipeTransform } from '@nestjs/common';
import { workflowInstanceNotFound } from '../workflow.errors.js';

/** The id in a path. What cannot be an id names no instance: 404, and no bigint ever overflows in PostgreSQL. */
@Injectable()
export class InstanceIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw workflowInstanceNotFound(undefined, text);
    return Number(text);
  }
}
