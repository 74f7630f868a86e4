import { ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Length, Matches, ValidateIf } from 'class-validator';
import {
  APOSTROPHES,
  BOOLEAN_FORMS,
  DATE_ORDERS,
  type DateOrder,
  DECIMAL_MARKS,
  type DecimalMark,
  DEFAULT_READING,
  EMPTY_CELLS,
  type HeaderMapping,
  type Reading,
  SHORT_ROWS,
  TRIMS,
} from '../formats/reading.js';
import { statedText } from '../formats/text/encoding-detection.js';
import type { DomainError } from '../platform/domain-error.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { AsSent } from '../platform/http/validation.js';

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
      'JSON object from headers of the file to fields, or to null for columns that are not imported. May instead be a multipart field before the file.',
    example: '{"E-mail":":Email","Remarks":null}',
  })
  @IsOptional()
  @IsString()
  mapping?: string;
}

/** The body of `POST …/Batches/{id}/Read`. What is left out keeps its value; `null` takes it from the file again. */
export class ReadDto extends OmitType(ReadingDto, ['mapping']) {
  @ApiPropertyOptional({
    description: 'Object from headers of the file to fields, or to null for columns that are not imported.',
    type: 'object',
    additionalProperties: { type: 'string', nullable: true },
    example: { 'E-mail': ':Email', Remarks: null },
  })
  @AsSent()
  @ValidateIf(() => false)
  @IsOptional()
  mapping?: unknown;
}

const NAMED_DELIMITERS: Readonly<Record<string, string>> = {
  comma: ',',
  semicolon: ';',
  tab: '\t',
  pipe: '|',
  colon: ':',
  space: ' ',
};
const MAX_NAME_LENGTH = 10_000;

/**
 * The reading that a request asks for.
 * @param present the values of choices that the request leaves out
 * @throws DomainError 400 if the encoding is not supported, or the mapping is wrong
 */
export function readingOf(
  { mapping, ...dto }: ReadingDto | ReadDto,
  present: Reading = DEFAULT_READING,
): Reading {
  const { headerRow, delimiter, encoding } = dto;
  const given = Object.fromEntries(
    Object.entries(dto)
      // A request has parameters that are not about the reading.
      .filter(([name, value]) => name in DEFAULT_READING && value !== undefined)
      .map(([name, value]) => [name, value ?? DEFAULT_READING[name as keyof Reading]]),
  );
  return {
    ...present,
    ...given,
    ...(encoding != null && { encoding: encodingOf(encoding) }),
    ...(delimiter != null && { delimiter: delimiterOf(delimiter) }),
    ...(headerRow != null && { headerRow: headerRow === 'none' ? 'none' : Number(headerRow) }),
    ...(mapping !== undefined && {
      mapping: typeof mapping === 'string' ? readMapping(mapping) : mappingOf(mapping),
    }),
  };
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

/** @throws DomainError 400 */
function readMapping(text: string): HeaderMapping {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('mapping', `mapping must be a JSON object: ${(error as Error).message}`);
  }
  return mappingOf(value);
}

/** @throws DomainError 400 */
function mappingOf(value: unknown): HeaderMapping {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalid('mapping', 'mapping must be a JSON object from headers of the file to fields, or to null');
  }
  const entries = Object.entries(value) as [string, unknown][];
  for (const [header, target] of entries) {
    if (target !== null && (typeof target !== 'string' || target === '' || target.length > MAX_NAME_LENGTH)) {
      throw invalid(
        'mapping',
        `mapping must map ${JSON.stringify(header.slice(0, 60))} to the name of a field, or to null`,
      );
    }
    if (header.includes('\u0000') || target?.includes('\u0000') === true) {
      throw invalid('mapping', 'mapping must not contain U+0000, which the database cannot store');
    }
  }
  return Object.fromEntries(entries as [string, string | null][]);
}

function invalid(parameter: string, message: string): DomainError {
  return invalidParameters([{ parameter, code: 'invalid_parameter', message }]);
}
