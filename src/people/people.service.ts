import { Injectable } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsBoolean, IsIn, IsOptional, Length, Matches, ValidateNested } from 'class-validator';
import { writeAudit } from '../auth/audit-log.sql.js';
import { AuditKeeper } from '../auth/audit-trail.js';
import type { Principal } from '../auth/principal.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { isInsufficientPrivilege } from '../platform/database/postgres-errors.js';
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
import { Person, type PersonIdentifier } from './person.js';
import {
  anonymizeAccount,
  anonymizeInstance,
  applyChange,
  type Candidate,
  countInstanceRows,
  deleteInstance,
  type FoundInstance,
  selectAccountOf,
  selectCandidates,
  selectInstancesOf,
} from './personal-rows.sql.js';
import { ERASURE_MODES, type ErasureMode, PERSONAL_TABLES, type PersonalTable } from './personal-tables.js';

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

/** Rows per transaction. */
const STEP_ROWS = 500;
/** More instances than one person has. */
const MOST_INSTANCES = 1_000;
const MOST_LISTED = 100;

const AUDIT_IS_PROTECTED =
  'The role of the service may not change the audit log. Set AUDIT_DATABASE_URL, then erase again.';
const ACCOUNT_IS_ENABLED = 'An enabled user account has this address. Disable the user, then erase again.';

/** Finds a person over all workflows, records, mails and logs, and erases or anonymizes what was found. */
@Injectable()
export class PeopleService {
  constructor(
    private readonly database: DatabaseService,
    private readonly audit: AuditKeeper,
  ) {}

  /** Changes nothing. */
  async search(identifier: PersonIdentifier, principal: Principal): Promise<ErasureReport> {
    await writeAudit(this.database, {
      actor: principal.id,
      action: 'person_searched',
      details: { identifier: identifier.name },
    });
    return this.work(new Person(identifier), null);
  }

  /**
   * Works in small transactions. A repeated call continues an interrupted one and finds nothing after a complete one.
   * Records of batches that have not ended stay as they are, because processing them would store the person again; the
   * report lists these batches.
   */
  async erase(identifier: PersonIdentifier, mode: ErasureMode, principal: Principal): Promise<ErasureReport> {
    const note = (action: string, details: object) =>
      writeAudit(this.database, {
        actor: principal.id,
        action,
        details: { identifier: identifier.name, mode, ...details },
      });
    await note('person_erasure_started', {});
    const report = await this.work(new Person(identifier), mode);
    const { complete, tables } = report;
    await note(mode === 'erase' ? 'person_erased' : 'person_anonymized', {
      complete,
      tables: Object.fromEntries(tables.map(({ table, changed }) => [table, changed])),
    });
    return report;
  }

  private async work(person: Person, mode: ErasureMode | null): Promise<ErasureReport> {
    const instances = await selectInstancesOf(this.database, person, MOST_INSTANCES);
    const report = new Report(person.identifier, mode, instances);
    const ids = instances.map(({ id }) => id);
    for (const table of PERSONAL_TABLES) {
      await this.workOn(table, { person, instanceIds: ids.map(String) }, mode, report);
    }
    await this.workOnAccount(person, mode, report);
    // Last: until they are gone, a repeated call finds the rows that belong to them.
    const counts = Object.entries(await countInstanceRows(this.database, ids));
    for (const [table, found] of counts) report.add(table, found, 0);
    for (const id of mode === null ? [] : ids) {
      await this.database.transaction((transaction) =>
        mode === 'erase' ? deleteInstance(transaction, id) : anonymizeInstance(transaction, id),
      );
    }
    if (mode !== null) for (const [table, found] of counts) report.add(table, 0, found);
    return report.result();
  }

  private async workOn(
    table: PersonalTable,
    found: { person: Person; instanceIds: readonly string[] },
    mode: ErasureMode | null,
    report: Report,
  ): Promise<void> {
    let after: readonly string[] | null = null;
    for (;;) {
      const candidates: Candidate[] = await selectCandidates(this.database, table, found, after, STEP_ROWS);
      const rows = candidates.filter(
        ({ belongs, values }) =>
          belongs || Object.values(values).some((text) => text !== null && found.person.isIn(text)),
      );
      const closed = rows.filter(({ isOpen }) => !isOpen);
      for (const { isOpen, batchId } of rows) if (isOpen) report.addOpen(batchId);
      const changed = mode === null ? 0 : await this.change(table, closed, found.person, mode, report);
      report.add(table.table, rows.length, changed);
      after = candidates.at(-1)?.key ?? null;
      if (candidates.length < STEP_ROWS) return;
    }
  }

  private async change(
    table: PersonalTable,
    rows: readonly Candidate[],
    person: Person,
    mode: ErasureMode,
    report: Report,
  ): Promise<number> {
    if (table.isAudit === true) return this.changeAudit(table, rows, person, mode, report);
    return this.database.transaction(async (transaction) => {
      let changed = 0;
      for (const row of rows) {
        if (await applyChange(transaction, table, row, table.changeOf(row, person, mode))) changed += 1;
      }
      return changed;
    });
  }

  private async changeAudit(
    table: PersonalTable,
    rows: readonly Candidate[],
    person: Person,
    mode: ErasureMode,
    report: Report,
  ): Promise<number> {
    let changed = 0;
    try {
      for (const row of rows) {
        if (await applyChange(this.audit.sql, table, row, table.changeOf(row, person, mode))) changed += 1;
      }
    } catch (error) {
      if (!isInsufficientPrivilege(error)) throw error;
      report.keep(table.table, AUDIT_IS_PROTECTED);
    }
    return changed;
  }

  private async workOnAccount(person: Person, mode: ErasureMode | null, report: Report): Promise<void> {
    const account = await selectAccountOf(this.database, person);
    if (account === undefined) return;
    if (!account.isDisabled) report.keep('app_user', ACCOUNT_IS_ENABLED);
    const changed =
      mode !== null &&
      account.isDisabled &&
      (await this.database.transaction((transaction) => anonymizeAccount(transaction, account.id)));
    report.add('app_user', 1, changed ? 1 : 0);
  }
}

/** Collects the counts by table. */
class Report {
  private readonly tables = new Map<string, { found: number; changed: number }>();
  private readonly open = new Map<number, number>();
  private readonly kept: ErasureReport['kept'] = [];

  constructor(
    private readonly identifier: PersonIdentifier,
    private readonly mode: ErasureMode | null,
    private readonly instances: readonly FoundInstance[],
  ) {}

  add(table: string, found: number, changed: number): void {
    const counts = this.tables.get(table) ?? { found: 0, changed: 0 };
    this.tables.set(table, { found: counts.found + found, changed: counts.changed + changed });
  }

  addOpen(batchId: number | null): void {
    if (batchId !== null) this.open.set(batchId, (this.open.get(batchId) ?? 0) + 1);
  }

  keep(table: string, reason: string): void {
    this.kept.push({ table, reason });
  }

  result(): ErasureReport {
    const tables = [...this.tables].map(([table, counts]) => ({ table, ...counts }));
    return {
      identifier: this.identifier,
      mode: this.mode,
      dryRun: this.mode === null,
      found: tables.reduce((sum, { found }) => sum + found, 0),
      complete: this.mode !== null && this.open.size === 0 && this.kept.length === 0,
      tables: tables.filter(({ found }) => found > 0),
      instances: this.instances.slice(0, MOST_LISTED).map(({ id, workflow }) => ({ workflow, id })),
      openBatches: [...this.open]
        .slice(0, MOST_LISTED)
        .map(([id, rows]) => ({ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, rows })),
      kept: this.kept,
    };
  }
}
