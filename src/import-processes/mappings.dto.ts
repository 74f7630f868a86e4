import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsInt, IsObject, Length, Matches, Min, ValidateIf } from 'class-validator';
import { choicesOf, type MappedColumn, type SavedMapping } from '../formats/reading.js';
import { DomainError } from '../platform/errors.js';
import {
  ANY_OBJECT,
  INTEGER,
  itemsOf,
  objectOf,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
  YES_OR_NO,
} from '../platform/http/answer-schemas.js';
import { AsSent, validateBody } from '../platform/http/validation.js';
import { invalidMapping } from './import-process.errors.js';
import { readColumns, readConstantValues } from './mapping-members.js';
import { ReadDto, readingOf } from './reading.dto.js';
import type { StoredMapping } from './saved-mappings.sql.js';

/** A name is told from the JSON that the same parameter takes by its first character. */
export const MAPPING_NAME =
  /^(?!(?:false|null|-)$)[^\s\p{Cc}\p{Cs}{](?:[^\p{Cc}\p{Cs}]*[^\s\p{Cc}\p{Cs}])?$/u;

/** The body that saves a mapping. */
export class SaveMappingDto {
  @ApiProperty({
    description: 'Unique within the import process.',
    example: 'HR export',
    maxLength: 200,
  })
  @Length(1, 200, { message: 'name must have 1 to 200 characters' })
  @Matches(MAPPING_NAME, {
    message: 'name must be one line of text without white space at its ends; it must not begin with {',
  })
  name!: string;

  @ApiPropertyOptional({
    description: 'Choices of the reading, as Read takes them.',
    type: 'object',
    additionalProperties: true,
    default: {},
    example: { dateOrder: 'dmy', emptyCells: 'keep' },
  })
  @AsSent()
  @IsObject({ message: 'reading must be an object' })
  reading: object = {};

  @ApiProperty({
    description:
      'From headers to fields, to null for columns that are not imported, or to objects with a field and a recipe: trim, values, case, dateOrder, decimalMark, default, emptyCells.',
    type: 'object',
    additionalProperties: true,
    example: {
      'E-mail': { field: ':Email', trim: 'ends', case: 'lower' },
      Sex: { field: 'Gender', values: { M: 'Male', F: 'Female' }, default: 'Unknown' },
      Remarks: null,
    },
  })
  @AsSent()
  @IsObject({ message: 'columns must be an object from headers to fields, or to null' })
  columns!: object;

  @ApiPropertyOptional({
    description: 'From fields that the file does not have to their values.',
    type: 'object',
    additionalProperties: { type: 'string' },
    default: {},
    example: { Country: 'DE' },
  })
  @AsSent()
  @IsObject({ message: 'constants must be an object from fields to texts' })
  constants: object = {};

  @ApiPropertyOptional({ description: 'Ignored.' })
  @Allow()
  automatic?: boolean;

  @ApiPropertyOptional({ description: 'Ignored.' })
  @Allow()
  savedBy?: string;

  @ApiPropertyOptional({ description: 'Ignored.', format: 'date-time' })
  @Allow()
  savedAt?: string;

  @ApiPropertyOptional({
    description: 'For PUT, the version that was edited: 409 version_conflict if it is not the current one.',
    type: 'integer',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsInt({ message: 'version must be a positive integer' })
  @Min(1, { message: 'version must be a positive integer' })
  version?: number;
}

/**
 * The mapping that a body describes.
 * @throws DomainError 400 `invalid_mapping` that lists every mistake
 */
export function mappingOfBody({ name, reading, columns, constants }: SaveMappingDto): SavedMapping {
  const read = readColumns(columns, 'columns');
  const given = readConstantValues(constants, 'constants', false);
  const choices = readChoices(reading);
  const problems = [...choices.problems, ...read.problems, ...given.problems];
  if (problems.length > 0) throw invalidMapping(problems);
  return { name, reading: choices.reading, columns: read.columns, constants: given.constants };
}

/** A mapping says nothing about which mapping applies. */
function readChoices(given: object) {
  try {
    const { mapping, constants } = given as ReadDto;
    if (mapping !== undefined || constants !== undefined) {
      const message = 'reading must not have mapping or constants, which stand beside it';
      return { reading: {}, problems: [{ pointer: '/reading', code: 'invalid_value', message }] };
    }
    return { reading: choicesOf(readingOf(validateBody(ReadDto, given))), problems: [] };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const { errors = [{ code: error.code, message: error.message }] } = error.options;
    return {
      reading: {},
      problems: errors.map(
        ({ parameter, pointer = parameter === undefined ? '' : `/${parameter}`, ...problem }) => ({
          ...problem,
          pointer: `/reading${pointer}`,
        }),
      ),
    };
  }
}

/** A saved mapping as the API answers it. */
export interface MappingResource {
  name: string;
  version: number;
  automatic: boolean;
  reading: object;
  columns: Readonly<Record<string, MappedColumn>>;
  constants: Readonly<Record<string, string>>;
  savedBy: string;
  savedAt: string;
}

export function mappingResource({ savedAt, ...mapping }: StoredMapping): MappingResource {
  return { ...mapping, savedAt: savedAt.toISOString() };
}

/** The responses of the routes about saved mappings. */
export const MAPPING_SCHEMAS: Readonly<Record<string, Schema>> = {
  Mapping: objectOf<MappingResource>({
    name: TEXT,
    version: INTEGER,
    automatic: says('Kept because a user matched the columns of a file, not saved under a name.', YES_OR_NO),
    reading: says('Choices of the reading.', ANY_OBJECT),
    columns: says('From headers to fields, and what becomes of their values.', ANY_OBJECT),
    constants: says('From fields that the file does not have to their values.', ANY_OBJECT),
    savedBy: says('The principal who saved it.', TEXT),
    savedAt: TIME,
  }),
  MappingList: itemsOf(refTo('Mapping')),
};
