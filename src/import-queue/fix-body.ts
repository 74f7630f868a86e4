import { isUtf8 } from 'node:buffer';
import type { Replacement } from '../batches/fix-drafts.sql.js';
import { findTooDeepNesting, jsonMembers, MAX_NESTING } from '../formats/json/json-members.js';
import type { ProblemDetail } from '../platform/errors.js';
import { type Schema, TEXT } from '../platform/http/answer-schemas.js';
import { invalidBody, malformedJson, missingBody } from '../platform/http/http.errors.js';
import type { FixRequest } from './fix.service.js';

/** The body of Fix, for the API description. */
export const FIX_BODY: Schema = {
  type: 'object',
  properties: {
    lines: {
      type: 'object',
      description: 'By line number: the new values, by field.',
      additionalProperties: { type: 'object', additionalProperties: true },
    },
    replace: {
      type: 'array',
      description: 'Replaces a value of one field in all failed records. An empty text stands for no value.',
      items: {
        type: 'object',
        required: ['field', 'from', 'to'],
        properties: { field: TEXT, from: TEXT, to: TEXT },
      },
    },
  },
  example: {
    lines: { '12': { Level: 'Fellow' } },
    replace: [{ field: 'Level', from: 'Senior', to: 'Fellow' }],
  },
};

const MOST_REPLACEMENTS = 1000;

/**
 * Reads the body of Fix. The values of lines are kept as they were written, because parsing can drop digits of a
 * number.
 * @param body bytes; any other value was not sent as JSON
 * @throws DomainError 400 `missing_body`, `malformed_json`, `invalid_body`
 */
export function readFixBody(body: unknown): FixRequest {
  if (!Buffer.isBuffer(body)) throw missingBody();
  if (!isUtf8(body)) throw malformedJson('it is not UTF-8');
  const raw = new TextDecoder().decode(body);
  const parsed = parse(raw);
  const errors: ProblemDetail[] = [];
  const refuse = (pointer: string, message: string) =>
    void errors.push({ pointer, code: 'invalid_value', message });
  if (!isObject(parsed)) throw invalidBody([mistake('', 'the body must be a JSON object')]);
  if (findTooDeepNesting(raw, MAX_NESTING) !== -1) {
    throw invalidBody([mistake('', `objects and arrays are nested deeper than ${MAX_NESTING} levels`)]);
  }
  for (const name of Object.keys(parsed)) {
    if (name !== 'lines' && name !== 'replace') refuse(`/${name}`, `${name} is not known here`);
  }
  const { lines = {}, replace = [] } = parsed;
  const changes = isObject(lines)
    ? linesOf(lines, jsonMembers(raw).get('lines') ?? '{}', refuse)
    : new Map<never, never>();
  if (!isObject(lines)) refuse('/lines', 'lines must be an object from line numbers to changed fields');
  const replacements = Array.isArray(replace) ? replacementsOf(replace, refuse) : [];
  if (!Array.isArray(replace)) refuse('/replace', 'replace must be a list');
  if (errors.length === 0 && changes.size === 0 && replacements.length === 0) {
    refuse('', 'lines or replace must name a change');
  }
  if (errors.length > 0) throw invalidBody(errors);
  return { lines: changes, replace: replacements };
}

type Refuse = (pointer: string, message: string) => void;

function linesOf(
  lines: Record<string, unknown>,
  raw: string,
  refuse: Refuse,
): Map<number, ReadonlyMap<string, string>> {
  const written = jsonMembers(raw);
  const changes = new Map<number, ReadonlyMap<string, string>>();
  for (const [line, fields] of Object.entries(lines)) {
    if (!/^[1-9]\d{0,8}$/.test(line)) refuse(`/lines/${line.slice(0, 40)}`, 'must be a line number');
    else if (!isObject(fields)) refuse(`/lines/${line}`, 'must be an object of changed fields');
    else changes.set(Number(line), jsonMembers(written.get(line) ?? '{}'));
  }
  return changes;
}

function replacementsOf(given: readonly unknown[], refuse: Refuse): Replacement[] {
  if (given.length > MOST_REPLACEMENTS) refuse('/replace', `must have at most ${MOST_REPLACEMENTS} items`);
  return given.flatMap((item, index) => {
    const { field, from, to } = isObject(item) ? item : {};
    if (typeof field === 'string' && isValue(from) && isValue(to)) {
      return [{ field, from: textOf(from), to: textOf(to) }];
    }
    refuse(`/replace/${index}`, 'must have the texts field, from and to');
    return [];
  });
}

type Value = string | number | boolean | null;

function isValue(value: unknown): value is Value {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

const textOf = (value: Value) => (value === null ? '' : String(value));

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const mistake = (pointer: string, message: string) => ({ pointer, code: 'invalid_value', message });

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw malformedJson((error as Error).message, error);
  }
}
