import { Injectable } from '@nestjs/common';
import type { JsonObject } from '../common/json.js';
import { attachment, downloadName } from '../import-queue/results/file-name.js';
import type { CompiledTarget } from '../targets/target.js';
import { CompiledImportProcesses } from './compiled-import-processes.js';
import { ImportProcessesService } from './import-processes.service.js';
import type { CompiledImportProcess } from './pinned-import-process.js';
import { rowTemplate, type TemplateFormat } from './row-template.js';

export interface TemplateFile {
  content: string;
  headers: Record<string, string>;
}

const TYPES: Readonly<Record<TemplateFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  jsonl: 'application/jsonl; charset=utf-8',
};

/** What a row of an import process looks like, for people and programs that are going to send some. */
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
      content: rowTemplate(compiled, format),
      headers: {
        'Content-Type': TYPES[format],
        'Content-Disposition': attachment(downloadName(pinned.name, 'template', format)),
      },
    };
  }

  /**
   * The file type's rules, ready to check rows as pass 1 does.
   * @throws DomainError 404 `import_process_not_found`
   */
  async rules(id: number): Promise<CompiledTarget> {
    return (await this.current(id)).compiled;
  }

  private async current(id: number): Promise<CompiledImportProcess> {
    const { version, workflowVersion } = await this.importProcesses.pinCurrent(id);
    return this.compiled.get(id, version, workflowVersion);
  }
}
