import type { ApiResponseSchemaHost } from '@nestjs/swagger';

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

/** Those that may come with a refusal nobody described. */
export const ANY_REFUSAL_HEADERS: AnswerHeaders = {
  'WWW-Authenticate': text('With 401: `apikey`'),
  'Retry-After': text('With 429 and 503: seconds until it may be better'),
};

/** Those that come with every refusal of a status. */
export const REFUSAL_HEADERS: Readonly<Record<string, AnswerHeaders>> = {
  415: {
    'Accept-Post': text('The media types that are accepted, where the Content-Type was not'),
    'Accept-Encoding': text('The encodings that are accepted, where the Content-Encoding was not'),
  },
  429: { 'Retry-After': text('Seconds until a call may be let in', true) },
  503: { 'Retry-After': text('Seconds until it may be better', true) },
};
