import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import { validateBody } from './validate-body.js';
import { validateQuery } from './validate-query.js';
import { knownNames } from './violations.js';

/** Global: `@Query() query: SomeDto` and `@Body() body: SomeDto` arrive checked; other arguments as they were sent. */
@Injectable()
export class DtoValidationPipe implements PipeTransform {
  transform(value: unknown, { type, metatype, data }: ArgumentMetadata): unknown {
    if (data !== undefined || metatype === undefined || !isDto(metatype)) return value;
    if (type === 'query') return validateQuery(metatype, value as object);
    if (type === 'body') return validateBody(metatype, value);
    return value;
  }
}

function isDto(metatype: object): metatype is ClassConstructor<object> {
  return typeof metatype === 'function' && knownNames(metatype as ClassConstructor<object>).size > 0;
}
