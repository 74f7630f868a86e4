import type { PipeTransform } from '@nestjs/common';

/** What a bigint of PostgreSQL and a number of JavaScript both hold. */
const ID = /^[1-9][0-9]{0,14}$/;

/** The id in a path. What cannot be an id names nothing: 404, and no bigint ever overflows in PostgreSQL. */
export abstract class PathIdPipe implements PipeTransform<string, number> {
  /** That there is nothing of this id. */
  protected abstract notFound(id: string): Error;

  transform(text: string): number {
    if (!ID.test(text)) throw this.notFound(text);
    return Number(text);
  }
}
