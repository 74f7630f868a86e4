import 'reflect-metadata';
import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { type ClassConstructor, plainToInstance, Transform } from 'class-transformer';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import type { ProblemDetail } from '../errors.js';
import { jsonPointer, nearestName } from '../wording.js';
import { invalidBody, invalidParameters, missingBody } from './http.errors.js';

const AS_SENT = Symbol('asSent');

/**
 * Leaves a property of a DTO exactly as it was sent. Without this decorator class-transformer copies the value: it
 * drops members, fails on a member named "constructor", and exhausts the stack on a deeply nested value.
 */
export const AsSent = (): PropertyDecorator => (prototype, property) => {
  const names = [...asSentNames(prototype), String(property)];
  Reflect.defineMetadata(AS_SENT, names, prototype);
};

/** Names of such properties, including those of base classes. */
function asSentNames(prototype: object): readonly string[] {
  return (Reflect.getMetadata(AS_SENT, prototype) ?? []) as readonly string[];
}

/** A property of a DTO that is not valid as sent. */
interface DtoViolation {
  /** From the outside in: `['columns', 2, 'name']`. */
  path: (string | number)[];
  value: unknown;
  sentence: string;
}

/** Creates the DTO from the input and finds all mistakes in it; it ignores unknown names. */
function instantiate<Dto extends object>(
  type: ClassConstructor<Dto>,
  given: object,
): { dto: Dto; violations: DtoViolation[] } {
  const { kept, rest } = splitByNames(given, asSentNames(type.prototype as object));
  const dto = Object.assign(plainToInstance(type, rest, { exposeDefaultValues: true }), kept);
  return { dto, violations: validateSync(dto).flatMap((error) => flatten(error, [])) };
}

function splitByNames(given: object, names: readonly string[]) {
  const entries = Object.entries(given) as [string, unknown][];
  return {
    kept: Object.fromEntries(entries.filter(([name]) => names.includes(name))),
    rest: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
  };
}

/** The names that a DTO knows: those with a validator. */
function knownNames(type: ClassConstructor<object>): ReadonlySet<string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
  const families = new Set(familiesOf(type).map(({ property }) => property));
  return new Set(metadata.map(({ propertyName }) => propertyName).filter((name) => !families.has(name)));
}

const FAMILIES = Symbol('families');

interface Family {
  property: string;
  prefix: string;
}

/** A property that collects all parameters of a query that begin with the prefix, as pairs of name and value. */
export const ParametersNamed =
  (prefix: string): PropertyDecorator =>
  (prototype, property) => {
    const families = [
      ...((Reflect.getMetadata(FAMILIES, prototype) ?? []) as Family[]),
      { prefix, property: String(property) },
    ];
    Reflect.defineMetadata(FAMILIES, families, prototype);
  };

/** Mapped types copy validators, but not this: a DTO made of parts declares its families itself. */
function familiesOf(type: ClassConstructor<object>): readonly Family[] {
  return (Reflect.getMetadata(FAMILIES, type.prototype as object) ?? []) as Family[];
}

function flatten(error: ValidationError, parents: readonly (string | number)[]): DtoViolation[] {
  const step = /^\d+$/.test(error.property) ? Number(error.property) : error.property;
  const path = [...parents, step];
  const sentences = [...new Set(Object.values(error.constraints ?? {}))];
  const own =
    sentences.length > 0 ? [{ path, value: error.value as unknown, sentence: sentences.join('; ') }] : [];
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, path))];
}

/**
 * Reads a JSON body as a DTO, strictly: unknown members are refused like wrong ones (at the top level; a nested DTO has
 * its own rules).
 * @throws DomainError 400 `invalid_body` with a pointer to each wrong member, 400 `missing_body`
 */
export function validateBody<Dto extends object>(type: ClassConstructor<Dto>, body: unknown): Dto {
  if (body === undefined) throw missingBody();
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidBody([{ pointer: '', code: 'invalid_value', message: 'the body must be a JSON object' }]);
  }
  const tooDeep = Object.entries(body).find(([, value]) => isNestedDeeper(value, MAX_NESTING - 1));
  if (tooDeep !== undefined) throw invalidBody([nestedTooDeep(tooDeep[0])]);
  const known = knownNames(type);
  const errors: ProblemDetail[] = [];
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body) as [string, unknown][]) {
    if (known.has(name)) given[name] = value;
    else errors.push(unknownMember(name, known));
  }
  const { dto, violations } = instantiate(type, given);
  for (const { path, value, sentence } of violations) {
    const missing = value === undefined;
    errors.push({
      pointer: jsonPointer(...path),
      code: missing ? 'missing_value' : 'invalid_value',
      message: missing ? `${path.join('.')} is required` : sentence,
    });
  }
  if (errors.length > 0) throw invalidBody(errors);
  return dto;
}

/** The most levels of objects and arrays in a body. The libraries that read it call themselves for each level. */
const MAX_NESTING = 64;

function isNestedDeeper(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.filter((item) => typeof item === 'object' && item !== null).flatMap(Object.values);
  }
  return false;
}

function nestedTooDeep(name: string): ProblemDetail {
  return {
    pointer: jsonPointer(name.slice(0, 100)),
    code: 'nesting_too_deep',
    message: `objects and arrays are nested deeper than ${MAX_NESTING} levels`,
  };
}

function unknownMember(name: string, known: ReadonlySet<string>): ProblemDetail {
  const near = nearestName(name, known);
  const hint = near === undefined ? '' : `: did you mean ${near}?`;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return { pointer: jsonPointer(name), code: 'unknown_member', message: `${shown} is not known here${hint}` };
}

/**
 * Reads a submitted form as a DTO, by the same rules as a JSON body. Forms send their empty fields, too: those count as
 * left out.
 * @param lists fields with several checkboxes; a single ticked one arrives as a text
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

/**
 * Reads a query as a DTO, strictly: a mistyped name must not be ignored, and a repeated name is ambiguous. Works on the
 * result of `parseQuery`, where `a[b]=c` is a parameter named `a[b]`.
 * Why: ADR 23.
 * @throws DomainError 400 that names every wrong parameter: `unknown_parameter` if there is one, else
 *   `repeated_parameter` if there is one, else `missing_parameter`, `invalid_parameter`, or `invalid_parameters` for
 *   both
 */
export function validateQuery<Dto extends object>(type: ClassConstructor<Dto>, query: object): Dto {
  const known = knownNames(type);
  const families = familiesOf(type);
  const errors: ProblemDetail[] = [];
  const given: Record<string, unknown> = {};
  const unreadable = new Set<string>();
  const repeated = new Set<string>();
  for (const [parameter, value] of Object.entries(query) as [string, unknown][]) {
    const family = families.find(({ prefix }) => parameter.startsWith(prefix));
    if (family === undefined && !known.has(parameter)) errors.push(unknownParameter(parameter, known));
    else if (typeof value !== 'string') repeated.add(parameter);
    else if (!value.isWellFormed() || !parameter.isWellFormed()) unreadable.add(parameter);
    else if (family === undefined) given[parameter] = value;
    else {
      const pairs = (given[family.property] ?? []) as [string, string][];
      given[family.property] = [...pairs, [parameter.slice(family.prefix.length), value]];
    }
  }
  for (const parameter of repeated) {
    errors.push({ parameter, code: 'repeated_parameter', message: `${parameter} is given more than once` });
  }
  for (const parameter of unreadable) {
    errors.push({
      parameter,
      code: 'invalid_parameter',
      message: `${parameter} must be UTF-8, percent-encoded`,
    });
  }
  const { dto, violations } = instantiate(type, given);
  for (const { path, sentence } of violations) {
    const family = families.find(({ property }) => property === String(path[0]));
    const parameter = family === undefined ? String(path[0]) : `${family.prefix}<name>`;
    if (repeated.has(parameter) || unreadable.has(parameter)) continue;
    errors.push(
      parameter in given || family !== undefined
        ? { parameter, code: 'invalid_parameter', message: sentence }
        : { parameter, code: 'missing_parameter', message: `${parameter} is required` },
    );
  }
  if (errors.length > 0) throw invalidParameters(errors);
  return dto;
}

function unknownParameter(parameter: string, known: ReadonlySet<string>): ProblemDetail {
  const shown = (parameter.length > 100 ? `${parameter.slice(0, 100)}…` : parameter).toWellFormed();
  const near = nearestName(parameter, known);
  const hint = near === undefined ? '' : `: did you mean ${near}?`;
  return { parameter: shown, code: 'unknown_parameter', message: `${shown} is not a parameter here${hint}` };
}

/**
 * Global: `@Query() query: SomeDto` and `@Body() body: SomeDto` arrive checked; other arguments arrive as they were
 * sent.
 */
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

/** Ids that fit both a PostgreSQL bigint and a JavaScript number. */
const ID = /^[1-9][0-9]{0,14}$/;

/** The id in a path. A text that cannot be an id matches nothing: 404, and no bigint ever overflows in PostgreSQL. */
export abstract class PathIdPipe implements PipeTransform<string, number> {
  /** The error for an id that does not exist. */
  protected abstract notFound(id: string): Error;

  transform(text: string): number {
    if (!ID.test(text)) throw this.notFound(text);
    return Number(text);
  }
}

/** Digits in a query become a number. Any other text becomes NaN, which the validators refuse. A default stays. */
export const Integer = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? (/^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN) : value,
  );

/** The key of a resource. It has a letter, so it is never taken for an id. */
export const RESOURCE_KEY = /^(?=.*[a-z])[a-z0-9-]{1,60}$/;

/** An id as a number, a key as a text; `null` if it can be neither. */
export function readReference(text: string): number | string | null {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  return RESOURCE_KEY.test(text) ? text : null;
}
