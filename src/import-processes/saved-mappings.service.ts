import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import { mappingThatFits, type SavedMapping } from '../formats/reading.js';
import { DatabaseService, type Sql, type Transaction } from '../platform/database/database.service.js';
import type { ProblemDetail } from '../platform/errors.js';
import { assertMeets, type VersionCondition } from '../platform/http/answers.js';
import { jsonPointer, nearestName } from '../platform/wording.js';
import {
  importProcessNotFound,
  invalidMapping,
  mappingChangedMeanwhile,
  mappingNameTaken,
  mappingNotFound,
  tooManyMappings,
} from './import-process.errors.js';
import { RowDescriptions } from './row-descriptions.js';
import {
  deleteMappings,
  insertMapping,
  lockMappingsOf,
  selectMapping,
  selectMappings,
  type StoredMapping,
  updateMapping,
} from './saved-mappings.sql.js';

export type { StoredMapping } from './saved-mappings.sql.js';

/** The most saved mappings of an import process. */
const MOST_MAPPINGS = 100;
/** Fields of every row of a workflow, which templates omit. */
const ALWAYS_KNOWN = [':WorkflowActionId', ':WorkflowActionName'];

/** What is saved: the mapping, and whether it may take the place of one with its name. */
interface MappingChange {
  mapping: SavedMapping;
  actor: string;
}

/** The saved mappings of import processes. */
@Injectable()
export class SavedMappingsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly rows: RowDescriptions,
  ) {}

  /** The mapping saved last comes first. */
  list(importProcessId: number): Promise<StoredMapping[]> {
    return selectMappings(this.database, importProcessId);
  }

  /** @throws DomainError 404 `mapping_not_found` */
  async get(importProcessId: number, name: string): Promise<StoredMapping> {
    const found = await selectMapping(this.database, importProcessId, name);
    if (found === null) throw mappingNotFound(name);
    return found;
  }

  /**
   * @throws DomainError 400 `invalid_mapping`, 404 `import_process_not_found`, 409 `mapping_name_taken`,
   *   `too_many_mappings`
   */
  async create(importProcessId: number, change: MappingChange): Promise<StoredMapping> {
    await this.refuseUnknownFields(importProcessId, change.mapping);
    return this.database.transaction(async (transaction) => {
      const present = await mappingsOf(transaction, importProcessId);
      if (present.some(({ name }) => name === change.mapping.name))
        throw mappingNameTaken(change.mapping.name);
      return store(transaction, importProcessId, present, change);
    });
  }

  /**
   * Saves a mapping under its name, new or not; for pages, where a person has seen both.
   * @throws DomainError 404 `import_process_not_found`, 409 `too_many_mappings`
   */
  async save(importProcessId: number, change: MappingChange): Promise<StoredMapping> {
    return this.database.transaction(async (transaction) => {
      const present = await mappingsOf(transaction, importProcessId);
      return store(transaction, importProcessId, present, change);
    });
  }

  /**
   * @param expected the version that the caller edited, if stated
   * @throws DomainError 400 `invalid_mapping`, 404 `mapping_not_found`, 409 `mapping_name_taken`, `version_conflict`, 412
   *   `precondition_failed`
   */
  async replace(
    importProcessId: number,
    name: string,
    { mapping, actor }: MappingChange,
    { expected, condition }: { expected?: number | undefined; condition?: VersionCondition | undefined } = {},
  ): Promise<StoredMapping> {
    await this.refuseUnknownFields(importProcessId, mapping);
    return this.database.transaction(async (transaction) => {
      await mappingsOf(transaction, importProcessId);
      const found = await selectMapping(transaction, importProcessId, name);
      if (found === null) throw mappingNotFound(name);
      assertMeets(condition, found.version);
      if (expected !== undefined && expected !== found.version) {
        throw mappingChangedMeanwhile(name, expected, found.version);
      }
      if (
        mapping.name !== name &&
        (await selectMapping(transaction, importProcessId, mapping.name)) !== null
      ) {
        throw mappingNameTaken(mapping.name);
      }
      await updateMapping(transaction, importProcessId, name, {
        ...mapping,
        automatic: false,
        savedBy: actor,
      });
      await note(transaction, importProcessId, 'mapping_saved', actor, { name: mapping.name });
      return storedMapping(transaction, importProcessId, mapping.name);
    });
  }

  /** @throws DomainError 404 `mapping_not_found` */
  async remove(importProcessId: number, name: string, actor: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      if ((await deleteMappings(transaction, importProcessId, [name])) === 0) throw mappingNotFound(name);
      await note(transaction, importProcessId, 'mapping_removed', actor, { name });
    });
  }

  /** A misspelled field would never receive a value. */
  private async refuseUnknownFields(importProcessId: number, mapping: SavedMapping): Promise<void> {
    const { columns } = await this.rows.rules(importProcessId);
    if (columns.length === 0) return;
    const known = [...columns.map(({ name }) => name), ...ALWAYS_KNOWN];
    const named = [
      ...Object.entries(mapping.columns).map(([header, { field }]) => {
        return { field, pointer: jsonPointer('columns', header) };
      }),
      ...Object.keys(mapping.constants).map((field) => ({
        field,
        pointer: jsonPointer('constants', field),
      })),
    ];
    const problems = named.flatMap(({ field, pointer }): ProblemDetail[] => {
      if (field === null || known.includes(field)) return [];
      const near = nearestName(field, known);
      const hint = near === undefined ? '' : `: did you mean ${near}?`;
      return [{ pointer, code: 'unknown_field', message: `${field} is not a field here${hint}` }];
    });
    if (problems.length > 0) throw invalidMapping(problems);
  }
}

/**
 * Keeps how a user matched the columns of a file, for later files with these headers. It takes the place of what was
 * kept for them before, but never of a mapping that was saved under a name.
 * @param columns what differs from the names of the file; nothing is kept if there is nothing
 */
export async function keepMapping(
  sql: Sql,
  importProcessId: number,
  { mapping, actor }: MappingChange,
  headers: readonly string[],
): Promise<void> {
  await lockMappingsOf(sql, importProcessId);
  const present = await selectMappings(sql, importProcessId);
  const replaced = present.filter((each) => each.automatic && mappingThatFits([each], headers) !== null);
  const isEmpty = Object.keys(mapping.columns).length + Object.keys(mapping.constants).length === 0;
  const rest = present.filter((each) => !replaced.includes(each));
  const isFull = rest.length >= MOST_MAPPINGS;
  if (replaced.length > 0) {
    await deleteMappings(
      sql,
      importProcessId,
      replaced.map(({ name }) => name),
    );
  }
  if (!isEmpty && !isFull) {
    const name = freeName(
      mapping.name,
      rest.map((each) => each.name),
    );
    await insertMapping(sql, importProcessId, { ...mapping, name, automatic: true, savedBy: actor });
    await note(sql, importProcessId, 'mapping_saved', actor, { name, automatic: true });
  } else if (replaced.length > 0) {
    await note(sql, importProcessId, 'mapping_removed', actor, { name: replaced[0]?.name, automatic: true });
  }
}

/** Saves under a name, and drops what was kept automatically for the same columns. */
async function store(
  transaction: Transaction,
  importProcessId: number,
  present: readonly StoredMapping[],
  { mapping, actor }: MappingChange,
): Promise<StoredMapping> {
  const replaced = present.find(({ name }) => name === mapping.name);
  const headers = Object.keys(mapping.columns);
  const kept = present.filter(
    (each) => each.automatic && each !== replaced && mappingThatFits([each], headers) !== null,
  );
  await deleteMappings(
    transaction,
    importProcessId,
    kept.map(({ name }) => name),
  );
  const stored = { ...mapping, automatic: false, savedBy: actor };
  if (replaced !== undefined) await updateMapping(transaction, importProcessId, mapping.name, stored);
  else {
    if (present.length - kept.length >= MOST_MAPPINGS) throw tooManyMappings(MOST_MAPPINGS);
    await insertMapping(transaction, importProcessId, stored);
  }
  await note(transaction, importProcessId, 'mapping_saved', actor, { name: mapping.name });
  return storedMapping(transaction, importProcessId, mapping.name);
}

/** @throws DomainError 404 `import_process_not_found` */
async function mappingsOf(transaction: Transaction, importProcessId: number): Promise<StoredMapping[]> {
  if (!(await lockMappingsOf(transaction, importProcessId))) throw importProcessNotFound(importProcessId);
  return selectMappings(transaction, importProcessId);
}

async function storedMapping(sql: Sql, importProcessId: number, name: string): Promise<StoredMapping> {
  const stored = await selectMapping(sql, importProcessId, name);
  if (stored === null) throw mappingNotFound(name);
  return stored;
}

function freeName(wanted: string, taken: readonly string[]): string {
  if (!taken.includes(wanted)) return wanted;
  let number = 2;
  while (taken.includes(`${wanted} ${number}`)) number += 1;
  return `${wanted} ${number}`;
}

function note(
  sql: Sql,
  importProcessId: number,
  action: 'mapping_saved' | 'mapping_removed',
  actor: string,
  details: Record<string, unknown>,
): Promise<void> {
  return writeAudit(sql, { actor, action, subject: `import-process:${importProcessId}`, details });
}
