import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import { RecordPages } from '../../batches/record-pages.js';
import { selectNeighbours } from '../../batches/records.sql.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { PageRenderer } from '../page-renderer.js';
import { recordLabel } from '../status-label.js';

/** One record's full story: what was sent, what became of it, and where its instance is. */
@Injectable()
export class RecordDetailPage {
  constructor(
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, line: number, principal: Principal): Promise<string> {
    const batch = await this.batches.rowWithRecords(id, principal);
    const record = await this.records.one(id, line);
    if (record === undefined) throw recordNotFound(id, line);
    const path = `/imports/${id}`;
    const { before, after } = await selectNeighbours(this.database, id, line);
    return this.pages.render('imports/record', {
      title: `Line ${line} of ${batch.fileName}`,
      section: 'imports',
      batch: { ...batch, path },
      record,
      label: recordLabel(record.status),
      members: membersOf(record.payload, record.errorPointer),
      instance: await this.instancePath(batch.importProcessId, record.reference),
      previous: before === null ? null : `${path}/records/${before}`,
      next: after === null ? null : `${path}/records/${after}`,
    });
  }

  /** Where the workflow instance is that the record touched; `null` for other targets. */
  private async instancePath(importProcessId: number, reference: string | null): Promise<string | null> {
    if (reference === null) return null;
    const { target } = await this.importProcesses.get(importProcessId);
    if (target.kind !== 'workflow' || typeof target.workflow !== 'string') return null;
    return `/workflows/${encodeURIComponent(target.workflow)}/instances/${encodeURIComponent(reference)}`;
  }
}

function membersOf(payload: string, errorPointer: string | null) {
  return [...jsonMembers(payload)].map(([name, json]) => ({
    name,
    value: cellText(json),
    wrong: errorPointer === `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
  }));
}

function recordNotFound(id: number, line: number): DomainError {
  return new DomainError(
    404,
    'record_not_found',
    'There is no such record',
    `Import ${id} has no record at line ${line}: the line is blank, or the file ends before it.`,
  );
}
