import type { ApiResponse, ApiResponseSchemaHost } from '@nestjs/swagger';

/** JSON Schema 2020-12, as OpenAPI 3.1 has it (ADR 18). */
export type Schema = Parameters<typeof ApiResponse>[0] extends infer Options
  ? Extract<Options, ApiResponseSchemaHost>['schema']
  : never;

export const TEXT: Schema = { type: 'string' };
export const INTEGER: Schema = { type: 'integer' };
export const YES_OR_NO: Schema = { type: 'boolean' };
/** RFC 3339, UTC. */
export const TIME: Schema = { type: 'string', format: 'date-time' };
/** For content that depends on the configuration or on the request. */
export const ANY_OBJECT: Schema = { type: 'object', additionalProperties: true };

/** Adds a description with the information that a member's name does not convey. */
export function says(description: string, schema: Schema): Schema {
  return { ...schema, description };
}

export function choice(...values: readonly string[]): Schema {
  return { type: 'string', enum: [...values] };
}

export function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

export function arrayOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** A schema that `openApiDocument` lists by this name. */
export function refTo(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

type OptionalName<Resource> = {
  [Name in keyof Resource]-?: object extends Pick<Resource, Name> ? Name : never;
}[keyof Resource];

/**
 * The schema of the answer that an interface describes. The compiler ensures that both have the same members; the test
 * of the docs ensures that real answers match.
 * @param optional members that an answer may lack
 */
export function objectOf<Resource>(
  members: { [Name in keyof Resource]-?: Schema },
  ...optional: OptionalName<Resource>[]
): Schema {
  const names = Object.keys(members).filter((name) => !optional.includes(name as OptionalName<Resource>));
  return { type: 'object', required: names, properties: members };
}

/** A whole list. */
export function itemsOf(item: Schema): Schema {
  return objectOf<{ items: unknown[] }>({ items: arrayOf(item) });
}

/** See `Page`. */
export function pageSchema(item: Schema): Schema {
  return objectOf<{ items: unknown[]; nextCursor: string | null }>({
    items: arrayOf(item),
    nextCursor: says('Give it back as `after` to read on; null on the last page.', orNull(TEXT)),
  });
}

/** Headers of an answer, as OpenAPI describes them. */
export type AnswerHeaders = NonNullable<ApiResponseSchemaHost['headers']>;

const text = (description: string, required = false) => ({
  description,
  required,
  schema: { type: 'string' as const },
});

export const LOCATION: AnswerHeaders = { Location: text('The path of what was made', true) };

export const LINK_NEXT: AnswerHeaders = {
  Link: text('`<…>; rel="next"`: the next page. Missing on the last one'),
};

export const REPLAYED: AnswerHeaders = {
  'Idempotency-Replayed': text('`true` when this is the answer to the first call with the Idempotency-Key'),
};

/** Headers that may come with any refusal that has no description of its own. */
export const ANY_REFUSAL_HEADERS: AnswerHeaders = {
  'WWW-Authenticate': text('With 401: `apikey, Bearer`'),
  'Retry-After': text('With 429 and 503: seconds until it may be better'),
};

/** Headers that come with every refusal of a status. */
export const REFUSAL_HEADERS: Readonly<Record<string, AnswerHeaders>> = {
  415: {
    'Accept-Post': text('The media types that are accepted, where the Content-Type was not'),
    'Accept-Encoding': text('The encodings that are accepted, where the Content-Encoding was not'),
  },
  429: { 'Retry-After': text('Seconds until a call may be let in', true) },
  503: { 'Retry-After': text('Seconds until it may be better', true) },
};
