import { Body, Get, Injectable, Post, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { SaveImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateBody } from '../../platform/http/validation.js';
import { type DescribedTable, TableCatalog } from '../../targets/table/table-catalog.js';
import type { TableName } from '../../targets/table/table-shape.js';
import { PageController } from '../error.page.js';
import { answerForm, type FormAnswer, type ProblemView, problemView, sendFormAnswer } from '../forms.js';
import { HtmlPage, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

const PATH = '/file-types/from-table';
const FIELD = 'field:';

type Entered = Readonly<Record<string, unknown>>;

/** Makes a file type that fills a table: the table gives the fields, a person the key and the names. */
@Injectable()
export class TableFileTypePage {
  constructor(
    private readonly catalog: TableCatalog,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param entered the query, or the form that was refused */
  async show(entered: Entered, problem?: ProblemView): Promise<string> {
    const choice = typeof entered.table === 'string' ? entered.table : '';
    const { tables, unusable } = await this.offered();
    const chosen = choice === '' ? null : await this.chosen(choice);
    return this.pages.render('file-types/from-table', {
      title: text('tableFileType.title'),
      section: 'file-types',
      path: PATH,
      problem,
      unusable,
      tables: tables.map((each) => ({ ...each, selected: each.value === choice })),
      chosen: chosen === null ? null : view(chosen, choice, entered),
    });
  }

  async create(entered: Entered, principal: Principal): Promise<FormAnswer> {
    return answerForm(
      async () => {
        const table = await this.chosen(typeof entered.table === 'string' ? entered.table : '');
        const input = validateBody(SaveImportProcessDto, {
          name: typeof entered.name === 'string' ? entered.name.trim() || undefined : undefined,
          icon: 'database-import',
          target: targetOf(table, entered),
        });
        const { id } = await this.importProcesses.create(input, principal.id);
        return `/file-types/${id}`;
      },
      (error) => this.show(entered, problemView(error)),
    );
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

  private chosen(value: string): Promise<DescribedTable> {
    const [connection = '', schema = '', table = ''] = partsOf(value);
    return this.catalog.table(connection, { schema, table });
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

function targetOf({ connection, schema, table, columns }: DescribedTable, entered: Entered): object {
  const fields = columns.flatMap(({ name }) => {
    const field = entered[FIELD + name];
    return typeof field === 'string' && field.trim() !== '' ? [[field.trim(), name] as const] : [];
  });
  const key = typeof entered.key === 'string' ? partsOf(entered.key) : [];
  const { onMatch, onNoMatch } = entered;
  return {
    ...{ kind: 'table', connection, schema, table, columns: Object.fromEntries(fields) },
    ...(key.length > 0 ? { key, onMatch, onNoMatch } : {}),
  };
}

/** A number that the database assigns is left out, unless it is the key. */
function view(table: DescribedTable, value: string, entered: Entered): object {
  const isRefused = entered.name !== undefined;
  const option = (name: 'key' | 'onMatch' | 'onNoMatch', each: string, label: string, proposed: string) => ({
    value: each,
    text: label,
    selected: each === (isRefused ? entered[name] : proposed),
  });
  const key = JSON.stringify(table.proposedKey ?? []);
  const unassigned = new Set(table.proposedKey ?? []);
  const primary = table.keys.find(({ isPrimary }) => isPrimary)?.columns ?? [];
  return {
    value,
    name: isRefused ? entered.name : table.table,
    keys: [
      ...table.keys.map(({ name, columns }) =>
        option('key', JSON.stringify(columns), `${columns.join(', ')} (${name})`, key),
      ),
      option('key', '[]', text('tableFileType.noKey'), key),
    ],
    onNoMatch: [
      option('onNoMatch', 'create', text('fileType.createIt'), 'create'),
      option('onNoMatch', 'reject', text('fileType.rejectRow'), 'create'),
    ],
    onMatch: [
      option('onMatch', 'update', text('fileType.updateIt'), 'update'),
      option('onMatch', 'reject', text('fileType.rejectRow'), 'update'),
      option('onMatch', 'skip', text('fileType.skipRow'), 'update'),
    ],
    columns: table.columns.map((column) => {
      const isOwn = primary.includes(column.name) && !unassigned.has(column.name) && !column.required;
      return { ...column, field: isRefused ? entered[FIELD + column.name] : isOwn ? '' : column.name };
    }),
  };
}

@PageController('file-types/from-table')
@RequirePermission('Configure')
export class TableFileTypePagesController {
  constructor(private readonly page: TableFileTypePage) {}

  @Get()
  @HtmlPage()
  show(@Query() query: Entered): Promise<string> {
    return this.page.show(query);
  }

  @Post()
  async create(
    @Body() form: Entered | undefined,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.page.create(form ?? {}, principal));
  }
}
