import type { ClassConstructor } from 'class-transformer';
import { validateBody } from './validate-body.js';

/**
 * A submitted form as a DTO, by the same rules as a JSON body. Forms send their empty fields too: those count as left out.
 * @param lists fields that may be ticked several times; ticked once they arrive as a text
 */
export function validateForm<Dto extends object>(
  type: ClassConstructor<Dto>,
  form: unknown,
  lists: readonly string[] = [],
): Dto {
  const entries = Object.entries((form ?? {}) as Record<string, unknown>).filter(([, value]) => value !== '');
  const listed = entries.map(([name, value]) => [
    name,
    lists.includes(name) && !Array.isArray(value) ? [value] : value,
  ]);
  return validateBody(type, Object.fromEntries(listed) as object);
}
