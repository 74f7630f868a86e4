import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import type { ColumnMapping } from '../formats/csv/csv-columns.js';
import { statedText } from '../formats/text/encoding-detection.js';
import type { DomainError } from '../platform/domain-error.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { CreateBatchDto } from './create-batch.dto.js';

const APOSTROPHES = ['remove', 'keep'] as const;
const EMPTY_CELLS = ['keep', 'clear'] as const;

/** The query of `POST /API/WorkflowImportQueue/Uploads`; the file is the multipart field `file`. */
export class UploadDto extends PickType(CreateBatchDto, [
  'fileName',
  'importProcessId',
  'sendSuccessEmailTo',
  'sendFailureEmailTo',
]) {
  @ApiPropertyOptional({
    description:
      'Encoding of a CSV file, by its name in the Encoding Standard. Default: detected from the file.',
    example: 'windows-1252',
  })
  @IsOptional()
  @Matches(/^[A-Za-z0-9._:-]{1,40}$/, {
    message: 'encoding must be the name of an encoding, for example utf-8',
  })
  encoding?: string;

  @ApiPropertyOptional({
    description:
      'Delimiter of a CSV file: one character, or comma, semicolon, tab, pipe, colon, space. Default: detected from the file.',
    example: 'semicolon',
  })
  @IsOptional()
  @Matches(/^([^"\r\n\ud800-\udfff]|comma|semicolon|tab|pipe|colon|space)$/, {
    message: 'delimiter must be one character, or comma, semicolon, tab, pipe, colon or space',
  })
  delimiter?: string;

  @ApiPropertyOptional({
    description:
      "Whether the apostrophe is removed that downloads put before text that looks like a formula (`'=1`). Downloads that still have their columns `_line` or `_id` are always restored.",
    enum: APOSTROPHES,
    default: 'remove',
  })
  @IsOptional()
  @IsIn(APOSTROPHES, { message: `apostrophes must be one of ${APOSTROPHES.join(', ')}` })
  apostrophes?: (typeof APOSTROPHES)[number];

  @ApiPropertyOptional({
    description:
      'Whether an empty cell leaves the stored value as it is or clears it; identifiers must not be empty.',
    enum: EMPTY_CELLS,
    default: 'keep',
  })
  @IsOptional()
  @IsIn(EMPTY_CELLS, { message: `emptyCells must be one of ${EMPTY_CELLS.join(', ')}` })
  emptyCells?: (typeof EMPTY_CELLS)[number];

  @ApiPropertyOptional({
    description:
      'JSON object from headers of a CSV file to columns of a row, or to null to leave a column out. Confirming the upload keeps it for later files of the import process. May instead be a multipart field before the file.',
    example: '{"E-mail":":Email","Remarks":null}',
  })
  @IsOptional()
  @IsString()
  mapping?: string;
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

export function delimiterOf(given: string | undefined): string | null {
  return given === undefined ? null : (NAMED_DELIMITERS[given] ?? given);
}

/** @throws DomainError 400 if the encoding is not supported */
export function encodingOf(given: string | undefined): string | null {
  if (given === undefined) return null;
  try {
    statedText(given, Buffer.alloc(0));
    return given;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ENCODING_NOT_SUPPORTED') throw error;
    throw invalid('encoding', `the encoding ${given} is not supported; try utf-8, utf-16le or windows-1252`);
  }
}

/**
 * Reads the field `mapping`: a JSON object from headers of the file to columns of a row, or to null.
 * @throws DomainError 400
 */
export function readMapping(text: string | undefined): ColumnMapping {
  if (text === undefined || text.trim() === '') return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('mapping', `mapping must be a JSON object: ${(error as Error).message}`);
  }
  return mappingOf(value);
}

/** @throws DomainError 400 */
function mappingOf(value: unknown): ColumnMapping {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(
      'mapping',
      'mapping must be a JSON object from headers of the file to columns of a row, or to null',
    );
  }
  const entries = Object.entries(value) as [string, unknown][];
  for (const [header, target] of entries) {
    if (target !== null && (typeof target !== 'string' || target === '' || target.length > MAX_NAME_LENGTH)) {
      throw invalid(
        'mapping',
        `mapping must map ${JSON.stringify(header.slice(0, 60))} to the name of a column, or to null`,
      );
    }
    if (header.includes('\u0000') || target?.includes('\u0000') === true) {
      throw invalid('mapping', 'mapping must not contain U+0000, which the database cannot store');
    }
  }
  return new Map(entries as [string, string | null][]);
}

function invalid(parameter: string, message: string): DomainError {
  return invalidParameters([{ parameter, code: 'invalid_parameter', message }]);
}
