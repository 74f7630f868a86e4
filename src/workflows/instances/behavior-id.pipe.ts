import { Injectable, type PipeTransform } from '@nestjs/common';
import { behaviorNotFound } from '../workflow.errors.js';

/** The id in a path. What cannot be an id names no behavior. */
@Injectable()
export class BehaviorIdPipe implements PipeTransform<string, number> {
  transform(text: string): number {
    if (!/^[1-9][0-9]{0,14}$/.test(text)) throw behaviorNotFound(text);
    return Number(text);
  }
}
