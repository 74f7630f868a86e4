import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsOptional, Length, Matches, ValidateNested } from 'class-validator';
import {
  arrayOf,
  choice,
  INTEGER,
  objectOf,
  orNull,
  says,
  type Schema,
  TEXT,
  YES_OR_NO,
} from '../platform/http/answer-schemas.js';
import { ERASURE_MODES, type ErasureMode } from './personal-tables.js';
import type { PersonIdentifier } from './person.js';

const LONGEST_VALUE = 1000;

/** The query of `GET /API/People`. */
export class SearchPeopleDto {
  @ApiProperty({
    description: 'Name of an identifier, a colon, and its value.',
    example: ':Email:ada@example.org',
  })
  @Matches(/^:?[^:\0]{1,200}:\s*[^\s\0][^\0]*$/, {
    message: 'identifier must be a name, a colon and a value, such as :Email:ada@example.org',
  })
  @Length(3, LONGEST_VALUE, { message: `identifier must have 3 to ${LONGEST_VALUE} characters` })
  identifier!: string;
}

/** The name and the value of `:Email:ada@example.org`. */
export function personIdentifier(text: string): PersonIdentifier {
  const [, name = '', value = ''] = /^(:?[^:]+):(.*)$/s.exec(text) ?? [];
  return { name, value };
}

class PersonIdentifierDto implements PersonIdentifier {
  @ApiProperty({ example: ':Email' })
  @Matches(/^:?[^:\0]{1,200}$/, { message: 'name must be the name of an identifier, such as :Email' })
  name!: string;

  @ApiProperty({ example: 'ada@example.org' })
  @Length(1, LONGEST_VALUE, { message: `value must have 1 to ${LONGEST_VALUE} characters` })
  @Matches(/^[^\0]*[^\s\0][^\0]*$/, { message: 'value must not be blank' })
  value!: string;
}

/** The body of `POST /API/People/Erase`. */
export class ErasePersonDto {
  @ApiProperty({ type: PersonIdentifierDto })
  @ValidateNested()
  @Type(() => PersonIdentifierDto)
  identifier!: PersonIdentifierDto;

  @ApiProperty({
    enum: ERASURE_MODES,
    description:
      'erase: deletes instances, their log and messages, and the data of records, whose lines and counts stay. anonymize: keeps these rows and replaces their values.',
  })
  @IsIn(ERASURE_MODES, { message: `mode must be one of ${ERASURE_MODES.join(', ')}` })
  mode!: ErasureMode;

  @ApiPropertyOptional({ description: 'true: only reports what would change.', default: false })
  @IsOptional()
  @IsBoolean({ message: 'dryRun must be true or false' })
  dryRun?: boolean;
}

/** What was found of a person, and what was changed. */
export interface ErasureReport {
  identifier: PersonIdentifier;
  /** `null`: nothing was changed. */
  mode: ErasureMode | null;
  dryRun: boolean;
  found: number;
  /** Nothing of the person is left. */
  complete: boolean;
  tables: { table: string; found: number; changed: number }[];
  instances: { workflow: string; id: number }[];
  openBatches: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: number; rows: number }[];
  kept: { table: string; reason: string }[];
}

/** The answers of the routes about people. */
export const PEOPLE_SCHEMAS: Readonly<Record<string, Schema>> = {
  ErasureReport: objectOf<ErasureReport>({
    identifier: objectOf<PersonIdentifier>({ name: TEXT, value: TEXT }),
    mode: says('null: nothing was changed.', orNull(choice(...ERASURE_MODES))),
    dryRun: YES_OR_NO,
    found: says('Rows over all tables.', INTEGER),
    complete: says('Nothing of the person is left.', YES_OR_NO),
    tables: arrayOf(
      objectOf<ErasureReport['tables'][number]>({ table: TEXT, found: INTEGER, changed: INTEGER }),
    ),
    instances: says(
      'The first 100.',
      arrayOf(objectOf<ErasureReport['instances'][number]>({ workflow: TEXT, id: INTEGER })),
    ),
    openBatches: says(
      'Batches that have not ended. Their rows stay: cancel or abandon them, or wait, then erase again.',
      arrayOf(
        objectOf<ErasureReport['openBatches'][number]>({
          WORKFLOW_IMPORT_QUEUE_BATCH_ID: INTEGER,
          rows: INTEGER,
        }),
      ),
    ),
    kept: says(
      'What stays, and why.',
      arrayOf(objectOf<ErasureReport['kept'][number]>({ table: TEXT, reason: TEXT })),
    ),
  }),
};
