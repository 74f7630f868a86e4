import { Body, Get, Injectable, Post, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import { assertMayUse, CurrentPrincipal, RequirePermission } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { importProcessNotFound } from '../../import-processes/import-process.errors.js';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { ImportProcessIdPipe, SaveImportProcessDto } from '../../import-processes/import-processes.dto.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import type { DomainError } from '../../platform/errors.js';
import { validateBody } from '../../platform/http/validation.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { answerForm, type FieldErrors, type FormAnswer, problemView, sendFormAnswer } from '../forms.js';
import { withQuery } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

const PATH = '/file-types/to-url';
const EMPTY_ROWS = 5;
const MOST_ROWS = 500;
const TEXTS = ['url', 'secret', 'previousSecret'] as const;
const NUMBERS = ['concurrency', 'ratePerSecond', 'timeoutMs', 'maxAttempts', 'batchSize'] as const;

/** What the values of a field may be, and the JSON Schema of each. */
const KINDS = {
  text: { type: 'string' },
  email: { type: 'string', format: 'email' },
  url: { type: 'string', format: 'uri' },
  date: { type: 'string', format: 'date' },
  dateTime: { type: 'string', format: 'date-time' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
} as const satisfies Record<string, JsonObject>;
type Kind = keyof typeof KINDS;
const KIND_NAMES = Object.keys(KINDS) as Kind[];

type Entered = Readonly<Record<string, unknown>>;

interface Field {
  name: string;
  kind: Kind | null;
  required: boolean;
}

/** Makes and edits file types whose rows are delivered to a URL. */
@Injectable()
export class HttpFileTypePage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param entered the query, or the form that was refused or is to have more rows */
  async show(entered: Entered, principal: Principal, refusal?: DomainError): Promise<string> {
    const edited = await this.edited(entered, principal);
    const isFilled = entered.rows !== undefined;
    const shown = isFilled || edited === null ? entered : enteredFor(edited);
    const errors = refusal === undefined ? {} : errorsByField(refusal);
    const isOwnSchema = edited === null || fieldsOf(edited.recordSchema) !== null;
    const fields = enteredFields(shown);
    const rows = [...fields, ...Array.from({ length: EMPTY_ROWS }, () => ({ name: '', kind: 'text' }))];
    return this.pages.render('file-types/to-url', {
      title: edited === null ? text('httpFileType.title') : edited.name,
      section: 'file-types',
      path: PATH,
      problem: refusal === undefined ? undefined : { ...problemView(refusal), errors: undefined },
      errors,
      edited: edited === null ? null : { id: edited.id, version: edited.version },
      form: shown,
      takesKeys: shown.rows === undefined || shown.idempotent === 'yes',
      schemaPath: isOwnSchema || edited === null ? null : `/file-types/${edited.id}`,
      rows: rows.length,
      fields: rows.map((field, index) => ({
        ...field,
        number: index + 1,
        kinds: KIND_NAMES.map((kind) => ({
          value: kind,
          text: text(`httpFileType.kinds.${kind}`),
          selected: kind === field.kind,
        })),
      })),
    });
  }

  async save(entered: Entered, principal: Principal): Promise<FormAnswer> {
    if (entered.more !== undefined) return { status: 200, html: await this.show(entered, principal) };
    return answerForm(
      async () => {
        const edited = await this.edited(entered, principal);
        const name = stringOf(entered.name).trim() || undefined;
        const keepsSchema = edited !== null && fieldsOf(edited.recordSchema) === null;
        const recordSchema = keepsSchema ? edited.recordSchema : schemaOf(enteredFields(entered));
        const target = targetOf(entered);
        const input = validateBody(SaveImportProcessDto, { name, icon: 'truck', target, recordSchema });
        if (edited === null) {
          const { id } = await this.importProcesses.create(input, principal.id);
          return `/file-types/${id}`;
        }
        const { id, version: _version, createdAt: _created, updatedAt: _updated, ...stored } = edited;
        const changed = { ...stored, name: input.name, target: input.target, recordSchema };
        const shown = Number(entered.version);
        const { version } = await this.importProcesses.replace(id, changed, principal.id, shown);
        return withQuery(`/file-types/${id}`, { saved: version });
      },
      (error) => this.show(entered, principal, error),
    );
  }

  /** The file type that is edited; `null` for a new one. @throws DomainError 404 `import_process_not_found` */
  private async edited({ edit }: Entered, principal: Principal): Promise<ImportProcess | null> {
    if (edit === undefined) return null;
    const id = await new ImportProcessIdPipe(this.importProcesses).transform(stringOf(edit));
    assertMayUse(principal, id);
    const process = await this.importProcesses.get(id);
    if (process.target.kind !== 'http') throw importProcessNotFound(String(id));
    return process;
  }
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The form as it would have been filled in to make the import process. Secrets are hidden, as everywhere. */
function enteredFor({ name, target, recordSchema }: ImportProcess): Entered {
  const fields = fieldsOf(recordSchema) ?? [];
  const members = [...TEXTS, ...NUMBERS].map((member) => [member, target[member]]);
  const rows = fields.flatMap((field, index) => [
    [`field:${index}`, field.name],
    [`kind:${index}`, field.kind],
    [`required:${index}`, field.required ? 'yes' : undefined],
  ]);
  return {
    ...(Object.fromEntries([...members, ...rows]) as Entered),
    ...{ name, rows: String(fields.length), idempotent: target.idempotent === false ? undefined : 'yes' },
  };
}

function enteredFields(entered: Entered): Field[] {
  const rows = Math.min(MOST_ROWS, Number(entered.rows) || 0);
  return Array.from({ length: rows }, (_, index) => ({
    name: stringOf(entered[`field:${index}`]).trim(),
    kind: KIND_NAMES.find((kind) => kind === entered[`kind:${index}`]) ?? 'text',
    required: entered[`required:${index}`] === 'yes',
  })).filter(({ name }) => name !== '');
}

function targetOf(entered: Entered): object {
  const texts = TEXTS.map((name) => [name, stringOf(entered[name]).trim() || undefined]);
  const numbers = NUMBERS.map((name) => {
    const given = stringOf(entered[name]).trim().replace(',', '.');
    return [name, given === '' ? undefined : Number(given)];
  });
  const idempotent = entered.idempotent === 'yes' ? undefined : false;
  const members = Object.entries({
    ...(Object.fromEntries([...texts, ...numbers]) as Entered),
    idempotent,
  }).filter(([, value]) => value !== undefined);
  return { kind: 'http', ...Object.fromEntries(members) };
}

/** `null` without fields: then rows may hold anything. */
function schemaOf(fields: readonly Field[]): JsonObject | null {
  if (fields.length === 0) return null;
  const required = fields.filter((field) => field.required).map(({ name }) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(
      fields.map(({ name, kind }) => [name, kind === null ? false : KINDS[kind]]),
    ),
    ...(required.length > 0 && { required }),
  };
}

/** The fields of a schema that this form could have made; `null` for others, which stay as they are. */
function fieldsOf(schema: JsonObject | null): Field[] | null {
  if (schema === null) return [];
  const properties = Object.entries((schema.properties ?? {}) as JsonObject);
  const required = (schema.required ?? []) as unknown[];
  const fields = properties.map(([name, rules]) => ({
    name,
    kind: KIND_NAMES.find((kind) => JSON.stringify(KINDS[kind]) === JSON.stringify(rules)) ?? null,
    required: required.includes(name),
  }));
  return JSON.stringify(schemaOf(fields)) === JSON.stringify(schema) ? fields : null;
}

/** An error of a member of the target stands beside its field. */
function errorsByField({ message, options: { errors = [] } }: DomainError): FieldErrors {
  if (errors.length === 0) return { form: message };
  return Object.fromEntries(
    errors.map(({ pointer = '', message: sentence }) => [pointer.split('/').at(-1) || 'form', sentence]),
  );
}

@PageController('file-types/to-url')
@RequirePermission('Configure')
export class HttpFileTypePagesController {
  constructor(private readonly page: HttpFileTypePage) {}

  @Get()
  @HtmlPage()
  show(@Query() query: Entered, @CurrentPrincipal() principal: Principal): Promise<string> {
    const { edit } = query;
    return this.page.show(edit === undefined ? {} : { edit }, principal);
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
