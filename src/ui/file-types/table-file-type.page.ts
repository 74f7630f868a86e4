import { Body, Get, Injectable, Post, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import { assertMayUse, CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { importProcessNotFound } from '../../import-processes/import-process.errors.js';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { ImportProcessIdPipe, SaveImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { DomainError } from '../../platform/errors.js';
import { validateBody } from '../../platform/http/validation.js';
import type { TargetConfiguration } from '../../records/target.js';
import {
  type DescribedTable,
  type ReferencedTable,
  TableCatalog,
} from '../../targets/table/table-catalog.js';
import type { TableConfiguration } from '../../targets/table/table-configuration.js';
import type { TableName } from '../../targets/table/table-shape.js';
import { answerForm, type FormAnswer, type ProblemView, problemView, sendFormAnswer } from '../forms.js';
import { withQuery } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

const PATH = '/file-types/from-table';
const FIELD = 'field:';
const CONSTANT = 'constant:';
/** The column of another table by which rows name the row that they refer to. */
const LOOKUP = 'lookup:';
const MISSING = 'missing:';

type Entered = Readonly<Record<string, unknown>>;

/** A table, and the tables that its columns refer to. */
interface ChosenTable extends DescribedTable {
  references: ReadonlyMap<string, ReferencedTable>;
}

/** Makes and edits file types that fill a table: the table gives the columns, a person the rest. */
@Injectable()
export class TableFileTypePage {
  constructor(
    private readonly catalog: TableCatalog,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param entered the query, or the form that was refused */
  async show(entered: Entered, principal: Principal, problem?: ProblemView): Promise<string> {
    const edited = await this.edited(entered, principal);
    const isRefused = problem !== undefined;
    const shown = edited === null || isRefused ? entered : enteredFor(edited);
    const choice = stringOf(shown.table);
    const { tables, unusable } = edited === null ? await this.offered() : { tables: [], unusable: [] };
    const chosen = choice === '' ? null : await this.chosen(choice);
    return this.pages.render('file-types/from-table', {
      title: edited === null ? text('tableFileType.title') : edited.name,
      section: 'file-types',
      path: PATH,
      problem,
      unusable,
      edited: edited === null ? null : { id: edited.id, version: edited.version },
      tables: tables.map((each) => ({ ...each, selected: each.value === choice })),
      chosen: chosen === null ? null : view(chosen, choice, shown),
    });
  }

  async save(entered: Entered, principal: Principal): Promise<FormAnswer> {
    return answerForm(
      async () => {
        const edited = await this.edited(entered, principal);
        const table = await this.chosen(stringOf(entered.table));
        const name = stringOf(entered.name).trim() || undefined;
        const target = targetOf(table, entered, edited?.target ?? {});
        const input = validateBody(SaveImportProcessDto, { name, icon: 'database-import', target });
        if (edited === null) {
          const { id } = await this.importProcesses.create(input, principal.id);
          return `/file-types/${id}`;
        }
        const { id, version: _version, createdAt: _created, updatedAt: _updated, ...stored } = edited;
        const changed = { ...stored, name: input.name, target: input.target };
        const shown = Number(entered.version);
        const { version } = await this.importProcesses.replace(id, changed, principal.id, shown);
        return withQuery(`/file-types/${id}`, { saved: version });
      },
      (error) => this.show(entered, principal, problemView(error)),
    );
  }

  /** The file type that is edited; `null` for a new one. @throws DomainError 404 `import_process_not_found` */
  private async edited({ edit }: Entered, principal: Principal): Promise<ImportProcess | null> {
    if (edit === undefined) return null;
    const id = await new ImportProcessIdPipe(this.importProcesses).transform(stringOf(edit));
    assertMayUse(principal, id);
    const process = await this.importProcesses.get(id);
    if (process.target.kind !== 'table') throw importProcessNotFound(String(id));
    return process;
  }

  /** The tables of all connections. A connection that cannot be used does not hide the others. */
  private async offered(): Promise<{ tables: { value: string; text: string }[]; unusable: string[] }> {
    const unusable: string[] = [];
    const lists = await Promise.all(
      this.catalog.list().map(async ({ name }) => {
        try {
          const found = await this.catalog.tables(name);
          return found.map((table) => ({
            value: valueOf(name, table),
            text: `${name} › ${table.schema}.${table.table}`,
          }));
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
          unusable.push(error.message);
          return [];
        }
      }),
    );
    return { tables: lists.flat(), unusable };
  }

  private async chosen(value: string): Promise<ChosenTable> {
    const [connection = '', schema = '', table = ''] = partsOf(value);
    const described = await this.catalog.table(connection, { schema, table });
    return { ...described, references: await this.catalog.references(connection, { schema, table }) };
  }
}

function valueOf(connection: string, { schema, table }: TableName): string {
  return JSON.stringify([connection, schema, table]);
}

function partsOf(value: string): string[] {
  try {
    const parts: unknown = JSON.parse(value);
    return Array.isArray(parts) ? parts.map(String) : [];
  } catch {
    return [];
  }
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A constant as text; other values than texts as JSON. */
const shownConstant = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

/** The form as it would have been filled in to make the target. */
function enteredFor({ name, target }: ImportProcess): Entered {
  const { connection, schema, table, key, columns, constants, lookup, onMatch, onNoMatch, log } =
    target as unknown as Partial<TableConfiguration>;
  const value = valueOf(String(connection), { schema: String(schema), table: String(table) });
  const fields = Object.entries(columns ?? {}).flatMap(([field, column]) => {
    const { by, onMissing } = lookup?.[field] ?? {};
    return [
      [FIELD + column, field] as const,
      [LOOKUP + column, by] as const,
      [MISSING + column, onMissing] as const,
    ];
  });
  const values = Object.entries(constants ?? {}).map(([column, each]) => [
    CONSTANT + column,
    shownConstant(each),
  ]);
  return {
    ...{ name, table: value, key: JSON.stringify(key ?? []), onMatch, onNoMatch },
    ...(log === true && { log: 'yes' }),
    ...(Object.fromEntries([...fields, ...values]) as Entered),
  };
}

/** @param before the target that is edited: what the form does not show stays as it is */
function targetOf(
  { connection, schema, table, columns, references }: ChosenTable,
  entered: Entered,
  before: Partial<TargetConfiguration>,
): object {
  const old = before as unknown as Partial<TableConfiguration>;
  const fields: Record<string, string> = {};
  const constants: Record<string, unknown> = {};
  const lookup: Record<string, object> = {};
  for (const { name } of columns) {
    const field = stringOf(entered[FIELD + name]).trim();
    const constant = stringOf(entered[CONSTANT + name]);
    const stored = old.constants?.[name];
    if (field !== '') fields[field] = name;
    if (constant !== '') {
      constants[name] = stored !== undefined && shownConstant(stored) === constant ? stored : constant;
    }
    const reference = references.get(name);
    const by = stringOf(entered[LOOKUP + name]);
    const kept = old.lookup?.[field];
    if (field === '') continue;
    if (reference === undefined && kept !== undefined) lookup[field] = kept;
    if (reference === undefined || by === '') continue;
    const { columns: _columns, ...other } = reference;
    lookup[field] = { ...other, by, onMissing: stringOf(entered[MISSING + name]) || 'fail' };
  }
  const key = typeof entered.key === 'string' ? partsOf(entered.key) : [];
  const { onMatch, onNoMatch } = entered;
  return {
    ...{ kind: 'table', connection, schema, table, columns: fields },
    ...(key.length > 0 ? { key, onMatch, onNoMatch } : {}),
    ...(entered.log === 'yes' && { log: true }),
    ...(Object.keys(constants).length > 0 && { constants }),
    ...(Object.keys(lookup).length > 0 && { lookup }),
  };
}

/** A number that the database assigns is left out, unless it is the key. */
function view(table: ChosenTable, value: string, entered: Entered): object {
  const isFilled = entered.name !== undefined;
  const option = (each: string, label: string, chosen: unknown) => ({
    ...{ value: each, text: label, selected: each === chosen },
  });
  const choice = (name: 'key' | 'onMatch' | 'onNoMatch', proposed: string) =>
    isFilled ? (entered[name] ?? proposed) : proposed;
  const key = choice('key', JSON.stringify(table.proposedKey ?? []));
  const onMatch = choice('onMatch', 'update');
  const onNoMatch = choice('onNoMatch', 'create');
  const unassigned = new Set(table.proposedKey ?? []);
  const primary = table.keys.find(({ isPrimary }) => isPrimary)?.columns ?? [];
  return {
    value,
    name: isFilled ? entered.name : table.table,
    log: entered.log === 'yes',
    keys: [
      ...table.keys.map(({ name, columns }) =>
        option(JSON.stringify(columns), `${columns.join(', ')} (${name})`, key),
      ),
      option('[]', text('tableFileType.noKey'), key),
    ],
    onNoMatch: [
      option('create', text('fileType.createIt'), onNoMatch),
      option('reject', text('fileType.rejectRow'), onNoMatch),
    ],
    onMatch: [
      option('update', text('fileType.updateIt'), onMatch),
      option('reject', text('fileType.rejectRow'), onMatch),
      option('skip', text('fileType.skipRow'), onMatch),
    ],
    columns: table.columns.map((column) => {
      const { name } = column;
      const isOwn = primary.includes(name) && !unassigned.has(name) && !column.required;
      const reference = table.references.get(name);
      const by = entered[LOOKUP + name] ?? '';
      const missing = entered[MISSING + name] ?? 'fail';
      return {
        ...column,
        field: isFilled ? entered[FIELD + name] : isOwn ? '' : name,
        constant: entered[CONSTANT + name],
        lookup: reference && {
          ways: [
            option('', text('tableFileType.asIs', { column: reference.take }), by),
            ...reference.columns.map((each) =>
              option(each, text('tableFileType.foundBy', { table: reference.table, column: each }), by),
            ),
          ],
          missing: [
            option('fail', text('tableFileType.missingFails'), missing),
            option('create', text('tableFileType.missingCreates', { table: reference.table }), missing),
          ],
        },
      };
    }),
  };
}

@PageController('file-types/from-table')
@RequirePermission('Configure')
export class TableFileTypePagesController {
  constructor(private readonly page: TableFileTypePage) {}

  @Get()
  @HtmlPage()
  show(@Query() query: Entered, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.page.show(query, principal);
  }

  @Post()
  async save(
    @Body() form: Entered | undefined,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.page.save(form ?? {}, principal));
  }
}
