import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Length, Matches, ValidateIf } from 'class-validator';
import {
  APOSTROPHES,
  BOOLEAN_FORMS,
  CHOICE_NAMES,
  type ChoiceName,
  DATE_ORDERS,
  type DateOrder,
  DECIMAL_MARKS,
  type DecimalMark,
  DEFAULT_READING,
  EMPTY_CELLS,
  type Reading,
  SHORT_ROWS,
  TRIMS,
} from '../formats/reading.js';
import { statedText } from '../formats/text-encoding.js';
import type { DomainError } from '../platform/errors.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { AsSent } from '../platform/http/validation.js';
import { readColumns, readConstantValues } from './mapping-members.js';

const ROW = /^(none|[1-9][0-9]{0,6})$/;

/** The choices of a reading, as parameters of `POST …/Uploads`. */
export class ReadingDto {
  @ApiPropertyOptional({
    description:
      'Encoding of a CSV file, by a label of the Encoding Standard. Default: detected from the file.',
    example: 'windows-1252',
  })
  @IsOptional()
  @Matches(/^[A-Za-z0-9._:-]{1,40}$/, {
    message: 'encoding must be the name of an encoding, for example utf-8',
  })
  encoding?: string | null;

  @ApiPropertyOptional({
    description:
      'Delimiter of a CSV file: one character, or comma, semicolon, tab, pipe, colon, space. Default: detected from the file.',
    example: 'semicolon',
  })
  @IsOptional()
  @Matches(/^([^"\r\n\ud800-\udfff]|comma|semicolon|tab|pipe|colon|space)$/, {
    message: 'delimiter must be one character, or comma, semicolon, tab, pipe, colon or space',
  })
  delimiter?: string | null;

  @ApiPropertyOptional({ description: 'Sheet of a workbook, by its name. Default: the first one.' })
  @IsOptional()
  @Length(1, 255, { message: 'sheet must be the name of a sheet' })
  sheet?: string | null;

  @ApiPropertyOptional({
    description:
      'The row that names the columns, counted as a spreadsheet does, or `none` if the file has no header: its columns then match the fields by place. Default: the first of 20 rows in which at least half of the filled cells are field names.',
    example: '3',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'number' ? String(value) : value))
  @Matches(ROW, { message: 'headerRow must be the number of a row, or none' })
  headerRow?: string | null;

  @ApiPropertyOptional({
    description: 'Whether white space at both ends of values that are not text is removed.',
    enum: TRIMS,
    default: DEFAULT_READING.trim,
  })
  @IsOptional()
  @IsIn(TRIMS, { message: `trim must be one of ${TRIMS.join(', ')}` })
  trim?: Reading['trim'] | null;

  @ApiPropertyOptional({
    description: 'Whether an empty cell leaves the stored value as it is or clears it.',
    enum: EMPTY_CELLS,
    default: DEFAULT_READING.emptyCells,
  })
  @IsOptional()
  @IsIn(EMPTY_CELLS, { message: `emptyCells must be one of ${EMPTY_CELLS.join(', ')}` })
  emptyCells?: Reading['emptyCells'] | null;

  @ApiPropertyOptional({
    description: 'Whether rows with fewer cells than the header are invalid, or filled up with empty cells.',
    enum: SHORT_ROWS,
    default: DEFAULT_READING.shortRows,
  })
  @IsOptional()
  @IsIn(SHORT_ROWS, { message: `shortRows must be one of ${SHORT_ROWS.join(', ')}` })
  shortRows?: Reading['shortRows'] | null;

  @ApiPropertyOptional({
    description:
      'Order of day, month and year in dates; ISO dates are always read. Default: taken from each column if at least one value decides and none contradicts, else the values are invalid.',
    enum: DATE_ORDERS,
  })
  @IsOptional()
  @IsIn(DATE_ORDERS, { message: `dateOrder must be one of ${DATE_ORDERS.join(', ')}` })
  dateOrder?: DateOrder | null;

  @ApiPropertyOptional({
    description:
      'Decimal mark of numbers. Default: comma in files with semicolons whose numbers all agree, else point.',
    enum: DECIMAL_MARKS,
  })
  @IsOptional()
  @IsIn(DECIMAL_MARKS, { message: `decimalMark must be one of ${DECIMAL_MARKS.join(', ')}` })
  decimalMark?: DecimalMark | null;

  @ApiPropertyOptional({
    description:
      'Whether words such as `ja` or `Y` are read as booleans, and options in any case, or both exactly as defined.',
    enum: BOOLEAN_FORMS,
    default: DEFAULT_READING.booleans,
  })
  @IsOptional()
  @IsIn(BOOLEAN_FORMS, { message: `booleans must be one of ${BOOLEAN_FORMS.join(', ')}` })
  booleans?: Reading['booleans'] | null;

  @ApiPropertyOptional({
    description:
      "Whether the apostrophe is removed that downloads put before text that looks like a formula (`'=1`). Downloads that still have their columns `_line` or `_id` are always restored.",
    enum: APOSTROPHES,
    default: DEFAULT_READING.apostrophes,
  })
  @IsOptional()
  @IsIn(APOSTROPHES, { message: `apostrophes must be one of ${APOSTROPHES.join(', ')}` })
  apostrophes?: Reading['apostrophes'] | null;

  @ApiPropertyOptional({
    description:
      'JSON object from headers of the file to fields, or to null for columns that are not imported; or the name of a saved mapping. A field may also be an object: the field, and what becomes of the values. `false`: no saved mapping applies. Omitted: the saved mapping that fits the headers. May instead be a multipart field before the file.',
    example: '{"E-mail":":Email","Remarks":null}',
  })
  @IsOptional()
  @IsString()
  mapping?: string;

  @ApiPropertyOptional({
    description:
      'JSON object from fields that the file does not have to their values in every row. A column of the file takes precedence.',
    example: '{"Country":"DE"}',
  })
  @IsOptional()
  @IsString()
  constants?: string;
}

/** The body of `POST …/Batches/{id}/Read`. What is left out keeps its value; `null` takes it from the file again. */
export class ReadDto extends OmitType(ReadingDto, ['mapping', 'constants']) {
  @ApiPropertyOptional({
    description:
      'Object from headers of the file to fields, or to null for columns that are not imported; or the name of a saved mapping. A field may also be an object: the field, and what becomes of the values. `false`: no saved mapping applies. null: the saved mapping that fits the headers.',
    oneOf: [{ type: 'object', additionalProperties: true }, { type: 'string' }, { type: 'boolean' }],
    example: {
      'E-mail': ':Email',
      Sex: { field: 'Gender', values: { M: 'Male', F: 'Female' } },
      Remarks: null,
    },
  })
  @AsSent()
  @ValidateIf(() => false)
  @IsOptional()
  mapping?: unknown;

  @ApiPropertyOptional({
    description:
      'Object from fields that the file does not have to their values in every row; null removes the constant of a saved mapping. A column of the file takes precedence.',
    type: 'object',
    additionalProperties: { type: 'string', nullable: true },
    example: { Country: 'DE' },
  })
  @AsSent()
  @ValidateIf(() => false)
  @IsOptional()
  constants?: unknown;
}

const NAMED_DELIMITERS: Readonly<Record<string, string>> = {
  comma: ',',
  semicolon: ';',
  tab: '\t',
  pipe: '|',
  colon: ':',
  space: ' ',
};

/**
 * The reading that a request asks for.
 * @param present the values of choices that the request leaves out
 * @throws DomainError 400 if the encoding is not supported, or the mapping is wrong
 */
export function readingOf(
  { mapping, constants, ...dto }: ReadingDto | ReadDto,
  present: Partial<Reading> = DEFAULT_READING,
): Reading {
  const { headerRow, delimiter, encoding } = dto;
  // A request has parameters that are not about the reading.
  const stated = CHOICE_NAMES.filter((name) => dto[name] !== undefined);
  const given = stated.map((name) => [name, dto[name] ?? DEFAULT_READING[name]] as const);
  const kept = chosenIn(present).filter((name) => !stated.includes(name));
  return {
    ...DEFAULT_READING,
    ...present,
    ...(Object.fromEntries(given) as Partial<Reading>),
    ...(encoding != null && { encoding: encodingOf(encoding) }),
    ...(delimiter != null && { delimiter: delimiterOf(delimiter) }),
    ...(headerRow != null && { headerRow: headerRow === 'none' ? 'none' : Number(headerRow) }),
    ...(mapping !== undefined && readMapping(mapping)),
    ...(constants !== undefined && { constants: readConstants(constants) }),
    chosen: [...kept, ...stated.filter((name) => dto[name] !== null)],
  };
}

/** A reading that an earlier version stored does not say which choices its sender made. */
function chosenIn(present: Partial<Reading>): readonly ChoiceName[] {
  return (
    present.chosen ??
    CHOICE_NAMES.filter((name) => name in present && present[name] !== DEFAULT_READING[name])
  );
}

/** The delimiter that a name or a character stands for. */
export function delimiterOf(given: string | undefined): string | null {
  return given === undefined ? null : (NAMED_DELIMITERS[given] ?? given);
}

/** @throws DomainError 400 if the encoding is not supported */
export function encodingOf(label: string | undefined): string | null {
  if (label === undefined) return null;
  try {
    statedText(label, Buffer.alloc(0));
    return label;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ENCODING_NOT_SUPPORTED') throw error;
    throw invalid('encoding', `the encoding ${label} is not supported; try utf-8, utf-16le or windows-1252`);
  }
}

/**
 * An object replaces what was decided about columns; a name, or `false`, replaces everything.
 * @throws DomainError 400
 */
function readMapping(given: unknown): Partial<Reading> {
  const value = typeof given === 'string' ? parsedMapping(given) : given;
  if (value === null) return { mapping: {}, recipes: {}, savedMapping: null };
  if (value === false) return { mapping: {}, recipes: {}, constants: {}, savedMapping: false };
  if (typeof value === 'string') {
    return { mapping: {}, recipes: {}, constants: {}, savedMapping: value };
  }
  const { columns, problems } = readColumns(value, 'mapping');
  const [problem] = problems;
  if (problem !== undefined) throw invalid('mapping', problem.message);
  const entries = Object.entries(columns);
  return {
    mapping: Object.fromEntries(entries.map(([header, { field }]) => [header, field])),
    recipes: Object.fromEntries(
      entries.flatMap(([header, { field, ...recipe }]) =>
        field === null ? [] : [[header, recipe] as const],
      ),
    ),
  };
}

/** A text that is not JSON is a name. */
function parsedMapping(text: string): unknown {
  if (text.trim() === '') return null;
  if (!/^\s*(\{|(false|null)\s*$)/.test(text)) return text;
  return parsedJson(text, 'mapping');
}

/** @throws DomainError 400 */
function readConstants(given: unknown): Reading['constants'] {
  const value = typeof given === 'string' && given.trim() !== '' ? parsedJson(given, 'constants') : given;
  if (value === null || value === '') return {};
  const { constants, problems } = readConstantValues(value, 'constants', true);
  const [problem] = problems;
  if (problem !== undefined) throw invalid('constants', problem.message);
  return constants;
}

/** @throws DomainError 400 */
function parsedJson(text: string, parameter: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(parameter, `${parameter} must be a JSON object: ${(error as Error).message}`);
  }
}

function invalid(parameter: string, message: string): DomainError {
  return invalidParameters([{ parameter, code: 'invalid_parameter', message }]);
}
