import { isIP } from 'node:net';
import { textArray } from '../../platform/database/copy-rows.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { splitOptions } from '../../records/rows.js';
import { dateType } from '../../workflows/rows/values/dates.js';
import { RowSource, ValueError } from '../../workflows/rows/values/value-type.js';
import {
  BOOLEAN,
  type ColumnValues,
  numberValues,
  optionValues,
  same,
  textValues,
  unknown,
} from './plain-values.js';
import { type ColumnShape, type ReadableCheck, readCheck } from './table-shape.js';

const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'citext']);

export function columnValues(column: ColumnShape, check: ReadableCheck): ColumnValues {
  const item = itemValues(column, check);
  return column.isArray ? arrayValues(item) : item;
}

function itemValues(column: ColumnShape, check: ReadableCheck): ColumnValues {
  const { family } = column;
  if (family === null) throw new Error(`rows cannot have values of the type ${column.type}`);
  if (TEXTS.has(family)) return textValues(column, check);
  switch (family) {
    case 'enum':
      return optionValues(column.options ?? []);
    case 'int2':
      return numberValues(column, check, 2n ** 15n);
    case 'int4':
      return numberValues(column, check, 2n ** 31n);
    case 'int8':
      return numberValues(column, check, 2n ** 63n);
    case 'numeric':
    case 'float4':
    case 'float8':
      return numberValues(column, check, null);
    case 'bool':
      return BOOLEAN;
    case 'date':
      return DATE;
    case 'json':
    case 'jsonb':
      return JSON_VALUES;
    case 'uuid':
      return patternValues(UUID, 'must be a UUID', 'UUID', '018f4e2a-7c3b-7d10-9a55-3b1f0c2d4e6f', lower);
    case 'bytea':
      return BYTES;
    case 'inet':
      return INET;
    case 'interval':
      return patternValues(
        INTERVAL,
        'must be a duration such as P1DT2H or 1 day 02:00:00',
        'Duration',
        'P1DT2H',
        unknown,
      );
    default:
      return timeValues(family, column.precision ?? MOST_FRACTION_DIGITS);
  }
}

const lower = (text: string): string => text.toLowerCase();
const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
/** ISO 8601, or numbers with units, or a clock; the database decides about the rest. */
const INTERVAL = /^(?:P[0-9YMWDTHS.,+-]{2,60}|[a-zA-Z0-9 :.+-]{1,80})$/;

const NO_SOURCE = new RowSource('');
const DATE: ColumnValues = {
  read: (value) => dateType.parse(value, NO_SOURCE) as string | ValueError,
  canonical: same,
  schemas: dateType.schemas,
  kind: 'date',
  form: dateType.form,
  example: dateType.example,
};

const MOST_FRACTION_DIGITS = 6;
const CLOCK = '(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.([0-9]{1,9}))?)?';
const OFFSET = '(?:[Zz]|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)';

/** A moment without an offset is one in UTC. */
function timeValues(family: string, digits: number): ColumnValues {
  const hasDate = family.startsWith('timestamp');
  const hasZone = family.endsWith('tz');
  const optional = hasDate ? '?' : '';
  const pattern = `^${hasDate ? '([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]' : '()'}${CLOCK}${hasZone ? OFFSET + optional : ''}$`;
  const regex = new RegExp(pattern);
  const example = `${hasDate ? '2026-01-31T' : ''}09:30:00${hasZone ? 'Z' : ''}`;
  const form = `${hasDate ? 'Date and time' : 'Time'} ${hasZone ? 'with' : 'without'} offset, such as ${example}`;
  const refusal = new ValueError(
    hasDate ? 'not_a_date_time' : 'not_a_time',
    `must be a ${form.toLowerCase()}`,
  );
  return {
    read(value) {
      const [, date = '', fraction = ''] = (typeof value === 'string' ? regex.exec(value) : null) ?? [''];
      if (typeof value !== 'string' || !regex.test(value)) return refusal;
      if (hasDate && DATE.read(date, same.bind(null, '')) instanceof ValueError) return refusal;
      if (fraction.replace(/0+$/, '').length > digits)
        return new ValueError(refusal.code, `must have at most ${digits} digits after the seconds`);
      return value;
    },
    canonical: hasDate
      ? (text) =>
          String(Date.parse(hasZone && !/[Zz]|[+-]\d\d(:?\d\d)?$/.test(text.slice(11)) ? `${text}Z` : text))
      : unknown,
    schemas: [{ type: 'string', pattern: pattern.replaceAll('?:', '') }],
    kind: hasDate && hasZone ? 'dateTime' : 'text',
    form,
    example,
  };
}

function patternValues(
  pattern: RegExp,
  rule: string,
  form: string,
  example: string,
  canonical: (text: string) => string,
): ColumnValues {
  const refusal = new ValueError('wrong_format', rule);
  return {
    read: (value) => (typeof value === 'string' && pattern.test(value) ? value : refusal),
    canonical,
    schemas: [{ type: 'string', pattern: pattern.source.replaceAll('?:', '') }],
    kind: 'text',
    form,
    example,
  };
}

const NOT_BASE64 = new ValueError('wrong_format', 'must be bytes in base64');
const BASE64 = '^[A-Za-z0-9+/]*={0,2}$';
const BYTES: ColumnValues = {
  read(value) {
    if (typeof value !== 'string' || value.length % 4 !== 0 || !new RegExp(BASE64).test(value))
      return NOT_BASE64;
    return `\\x${Buffer.from(value, 'base64').toString('hex')}`;
  },
  canonical: same,
  schemas: [{ type: 'string', pattern: BASE64 }],
  kind: 'text',
  form: 'Bytes in base64',
  example: 'aGVsbG8=',
};

const NOT_AN_ADDRESS = new ValueError(
  'wrong_format',
  'must be an IP address or a network such as 192.0.2.0/24',
);
const INET: ColumnValues = {
  read(value) {
    if (typeof value !== 'string') return NOT_AN_ADDRESS;
    const [address = '', bits, ...more] = value.split('/');
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const isNetwork = bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= most);
    return version !== 0 && !address.includes('%') && isNetwork && more.length === 0 ? value : NOT_AN_ADDRESS;
  },
  canonical: unknown,
  schemas: [{ type: 'string', pattern: '^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$' }],
  kind: 'text',
  form: 'IP address or network',
  example: '192.0.2.1',
};

/** A text that is a JSON object or array, as a spreadsheet holds it, is read as JSON; any other text is a JSON string. */
const JSON_VALUES: ColumnValues = {
  read(value, written) {
    if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return written();
    try {
      JSON.parse(value);
      return value;
    } catch {
      return written();
    }
  },
  canonical: unknown,
  schemas: [{}],
  kind: 'text',
  form: 'JSON',
  example: '{}',
};

const NOT_AN_ARRAY = new ValueError('wrong_type', 'must be an array, or items with semicolons in between');

/** One dimension. A text holds the items with semicolons in between, or a JSON array. */
function arrayValues(item: ColumnValues): ColumnValues {
  return {
    read(value, written) {
      const items = Array.isArray(value) ? value : typeof value === 'string' ? itemsOf(value) : null;
      if (items === null) return NOT_AN_ARRAY;
      const texts: (string | null)[] = [];
      let literals: readonly string[] | undefined;
      for (const [index, each] of items.entries()) {
        if (each === null) texts.push(null);
        else {
          const read = item.read(each, () => {
            literals ??= Array.isArray(value)
              ? itemLiterals(written())
              : items.map((one) => JSON.stringify(one));
            return literals[index] ?? '';
          });
          if (typeof read !== 'string')
            return new ValueError(read.code, `has an item that ${read.rule}`, false);
          texts.push(read);
        }
      }
      return textArray(texts);
    },
    canonical: unknown,
    schemas: [{ type: 'array', items: { anyOf: [...item.schemas, { type: 'null' }] } }, { type: 'string' }],
    kind: item.options === undefined ? 'text' : 'options',
    options: item.options,
    form: `${item.form}; several with semicolons in between`,
    example: item.example,
  };
}

/** The items of a JSON array as they are written: a number may have more digits than a double holds. */
function itemLiterals(json: string): string[] {
  const wrapped = json.slice(json.indexOf('[') + 1, json.lastIndexOf(']'));
  const literals: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= wrapped.length; index += 1) {
    const character = wrapped[index];
    if (character === '"') index = endOfString(wrapped, index);
    else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    else if (depth === 0 && (character === ',' || character === undefined)) {
      literals.push(wrapped.slice(start, index).trim());
      start = index + 1;
    }
  }
  return literals;
}

/** The index of the closing quote. */
function endOfString(json: string, start: number): number {
  let index = start + 1;
  while (json[index] !== '"') index += json[index] === '\\' ? 2 : 1;
  return index;
}

function itemsOf(text: string): JsonValue[] {
  if (text.startsWith('[')) {
    try {
      const parsed = JSON.parse(text) as JsonValue;
      if (Array.isArray(parsed)) return parsed;
    } catch {
      // Items that only begin with a bracket.
    }
  }
  return splitOptions(text);
}

/** The conditions that the row schema can state about a column. */
export function readableChecks(column: ColumnShape, definitions: readonly string[]): ReadableCheck {
  const ofDomain = column.checks.map((definition) => readCheck(definition, 'VALUE'));
  return Object.assign(
    {},
    ...definitions.map((each) => readCheck(each, column.name)),
    ...ofDomain,
  ) as ReadableCheck;
}
