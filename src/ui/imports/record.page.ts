import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { BatchReader, type BatchRow } from '../../batches/batch-reader.js';
import { isTerminal } from '../../batches/batch-state.js';
import { RecordPages } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { jsonPointer } from '../../platform/wording.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { InstancesService } from '../../workflows/instances/instances.service.js';
import { importPath, instancePath, recordPath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { recordLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { resolutionButtons } from './import-actions.js';
import { recordError } from './import-view.js';
import { fieldName } from './column-form.js';
import { recordNotFound } from './imports.dto.js';

/** One record: what was sent, its outcome, and a link to its instance. */
@Injectable()
export class RecordDetailPage {
  constructor(
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly importProcesses: ImportProcessesService,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly instances: InstancesService,
    private readonly pages: PageRenderer,
  ) {}

  async render(id: number, line: number, principal: Principal): Promise<string> {
    const { permissions } = principal;
    const batch = await this.batches.rowWithRecords(id, principal);
    const record = await this.records.one(id, line);
    if (record === undefined) throw recordNotFound(text('record.notFound.noRecord', { id, line }));
    const { before, after } = await this.records.neighbours(id, line);
    return this.pages.render('imports/record', {
      title: text('record.pageTitle', { line, fileName: batch.fileName }),
      section: 'imports',
      batch: { ...batch, path: importPath(id) },
      record,
      label: recordLabel(record.status),
      error: recordError(record),
      actions:
        record.status === 'unknown' && isTerminal(batch.status) && permissions.includes('ManageImports')
          ? resolutionButtons(recordPath(id, line))
          : [],
      members: membersOf(record.payload, record.errorPointer),
      instance: await this.instanceOf(batch, record.reference),
      previous: before === null ? null : recordPath(id, before),
      next: after === null ? null : recordPath(id, after),
    });
  }

  /** The workflow instance that the record created or changed; `null` for other targets. */
  private async instanceOf(
    { importProcessId, undoneBy, undoOf }: Pick<BatchRow, 'importProcessId' | 'undoneBy' | 'undoOf'>,
    reference: string | null,
  ): Promise<{ path: string; removedBy: string | null; isGone: boolean } | null> {
    if (reference === null) return null;
    const { target } = await this.importProcesses.get(importProcessId);
    if (target.kind !== 'workflow' || typeof target.workflow !== 'string') return null;
    const isGone = !(await this.exists(target.workflow, Number(reference)));
    const undo = undoneBy ?? undoOf;
    return {
      path: instancePath(target.workflow, reference),
      removedBy: isGone && undo !== null ? importPath(undo) : null,
      isGone,
    };
  }

  private async exists(workflow: string, id: number): Promise<boolean> {
    try {
      await this.instances.assertExists(await this.workflows.current(workflow), id);
      return true;
    } catch (error) {
      if (error instanceof DomainError && error.status === 404) return false;
      throw error;
    }
  }
}

function membersOf(payload: string, errorPointer: string | null) {
  return [...jsonMembers(payload)].map(([name, json]) => ({
    name: fieldName(name),
    value: cellText(json),
    wrong: errorPointer === jsonPointer(name),
  }));
}
