import { Injectable } from '@nestjs/common';
import { BYTE_ORDER_MARK, csvLine, workbookText } from '../formats/csv/csv-cells.js';
import {
  sheetColumn,
  WORKBOOK_TYPE,
  writeWorkbook,
  type WrittenRow,
} from '../formats/workbook/workbook-writer.js';
import { contentDisposition, downloadName } from '../platform/http/answers.js';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import type { CompiledTarget, RowColumn } from '../records/target.js';
import type { CompiledImportProcess } from './import-process.js';
import { CompiledImportProcesses, ImportProcessesService } from './import-processes.service.js';

type TemplateFormat = 'csv' | 'jsonl' | 'xlsx';

type DescribedRow = Pick<CompiledTarget, 'columns' | 'schema'>;

/** A template file: the columns, and one example row that passes the rules as far as an example can. */
export async function rowTemplate(
  { columns, schema }: DescribedRow,
  format: TemplateFormat,
): Promise<string | Buffer> {
  if (format === 'xlsx') return templateWorkbook(columns, schema);
  if (format === 'csv') {
    const lines = [columns.map(({ name }) => name), columns.map(({ example }) => example)];
    return BYTE_ORDER_MARK + lines.map((cells) => csvLine(cells)).join('');
  }
  const members = columns.map((column): [string, JsonValue] => [column.name, jsonExample(column, schema)]);
  return `${JSON.stringify(Object.fromEntries(members))}\n`;
}

/** The columns of a pick list offer its options. */
async function templateWorkbook(columns: readonly RowColumn[], schema: JsonObject): Promise<Buffer> {
  async function* rows(): AsyncGenerator<WrittenRow[], void, undefined> {
    yield await Promise.resolve([{ cells: columns.map(({ example }) => workbookText(example)), marked: [] }]);
  }
  const sheet = columns.map(({ name }) => sheetColumn(name, name, schema));
  const pieces: Buffer[] = [];
  for await (const piece of writeWorkbook({ name: 'Rows', columns: sheet, rows: rows() })) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The example is CSV text. If the schema does not accept a string, the text is read as JSON. */
function jsonExample({ name, example }: RowColumn, schema: JsonObject): JsonValue {
  const { properties } = schema;
  if (!isObject(properties) || !Object.hasOwn(properties, name)) return example;
  const property = properties[name];
  if (!isObject(property) || property.type === undefined) return example;
  if ([property.type].flat().includes('string')) return example;
  try {
    return JSON.parse(example) as JsonValue;
  } catch {
    return example;
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export interface TemplateFile {
  content: string | Buffer;
  headers: Record<string, string>;
}

const TYPES: Readonly<Record<TemplateFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  jsonl: 'application/jsonl; charset=utf-8',
  xlsx: WORKBOOK_TYPE,
};

/** Describes the rows of an import process to people and programs that send them. */
@Injectable()
export class RowDescriptions {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly compiled: CompiledImportProcesses,
  ) {}

  /** @throws DomainError 404 `import_process_not_found` */
  async schema(id: number): Promise<JsonObject> {
    return (await this.current(id)).compiled.schema;
  }

  /** @throws DomainError 404 `import_process_not_found` */
  async template(id: number, format: TemplateFormat): Promise<TemplateFile> {
    const { pinned, compiled } = await this.current(id);
    return {
      content: await rowTemplate(compiled, format),
      headers: {
        'Content-Type': TYPES[format],
        'Content-Disposition': contentDisposition(downloadName(pinned.name, 'template', format)),
      },
    };
  }

  /**
   * Returns the compiled rules of the import process, to check rows as pass 1 does.
   * @throws DomainError 404 `import_process_not_found`
   */
  async rules(id: number): Promise<CompiledTarget> {
    return (await this.current(id)).compiled;
  }

  /** @throws DomainError 404 `import_process_not_found` */
  async current(id: number): Promise<CompiledImportProcess> {
    const { version, workflowVersion } = await this.importProcesses.pinCurrent(id);
    return this.compiled.get(id, version, workflowVersion);
  }
}
