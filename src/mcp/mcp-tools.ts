import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { assertHoldsOneOf, assertMayPrepare, assertMayUse } from '../auth/access.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { RecordPages } from '../batches/record-pages.js';
import { visibleTo } from '../import-processes/import-process.js';
import { ImportProcessIdPipe } from '../import-processes/import-processes.dto.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { RowDescriptions } from '../import-processes/row-descriptions.js';
import { AdmissionService } from '../import-queue/admission.service.js';
import { BatchActionsService } from '../import-queue/batch-actions.service.js';
import { UploadDto } from '../import-queue/create-batch.dto.js';
import { PreviewService } from '../import-queue/preview.service.js';
import { recordJson } from '../import-queue/result-download.js';
import { UndoService } from '../import-queue/undo.service.js';
import { UploadsService } from '../import-queue/uploads.service.js';
import { AppConfig } from '../platform/config/config.js';
import { defineErrors, DomainError } from '../platform/errors.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { validateQuery } from '../platform/http/validation.js';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import { statusesOf } from '../records/record-status.js';
import type { FailedRowsArguments, PlanArguments, ToolCall, ToolHandlers, UndoArguments } from './tools.js';

const mcpErrors = defineErrors({
  plan_needs_person: {
    status: 403,
    title: 'A person has to confirm this import',
  },
});

/** Stored as the creation path of each plan, so that people can find the imports of assistants. */
const CREATION_PATH = 'MCP';
const CAUSES = 20;

/**
 * Performs the calls of tools with the services behind the HTTP API, under the same permissions and limits. Rows are
 * only ever passed on as values: no tool reads its arguments or its decisions from them.
 */
@Injectable()
export class McpTools implements ToolHandlers {
  constructor(
    private readonly config: AppConfig,
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly admission: AdmissionService,
    private readonly uploads: UploadsService,
    private readonly previews: PreviewService,
    private readonly actions: BatchActionsService,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly undos: UndoService,
  ) {}

  async listFileTypes({ principal }: ToolCall): Promise<JsonObject> {
    const visible = visibleTo(principal, await this.importProcesses.list());
    return {
      fileTypes: visible.map(({ id, name, description, status }) => ({
        ...{ importProcessId: id, name, description, status },
      })),
    };
  }

  async describeRow(importProcessId: number, { principal }: ToolCall): Promise<JsonObject> {
    const id = await new ImportProcessIdPipe(this.importProcesses).transform(String(importProcessId));
    assertMayUse(principal, id);
    const { content } = await this.rows.template(id, 'csv');
    return { schema: await this.rows.schema(id), template: content.toString('utf8').replace('\ufeff', '') };
  }

  async planImport(plan: PlanArguments, call: ToolCall): Promise<JsonObject> {
    const { principal, gone } = call;
    const dto = validateQuery(UploadDto, queryOf(plan));
    const bytes = bytesOf(plan);
    await this.admission.rate(principal);
    const leave = await this.admission.enter(principal, gone);
    try {
      const file = { fields: new Map<string, string>(), fileName: plan.fileName };
      const batch = await this.uploads.take(
        dto,
        () => Promise.resolve({ ...file, file: Readable.from([bytes]) }),
        principal,
      );
      return await this.planOf(batch, plan.previewRows ?? 20, call);
    } finally {
      leave();
    }
  }

  async applyImport(planId: number, { principal }: ToolCall): Promise<JsonObject> {
    const batch = await this.batches.get(planId, principal);
    assertMayPrepare(principal, batch);
    if (isConfirmed(batch)) return { ...statusOf(batch), confirmedBefore: true };
    if (batch.status === 'awaiting_confirmation') {
      const reason = this.needsPerson(batch);
      if (reason !== null) throw planNeedsPerson(batch, reason);
    }
    const confirmed = await this.actions.perform('confirm', planId, principal);
    return { ...statusOf(confirmed), confirmedBefore: false };
  }

  async importStatus(importId: number, { principal }: ToolCall): Promise<JsonObject> {
    return statusOf(await this.batches.read(importId, principal));
  }

  async failedRows(
    { importId, limit, after }: FailedRowsArguments,
    { principal }: ToolCall,
  ): Promise<JsonObject> {
    await this.batches.rowWithRecords(importId, principal);
    const query = { statuses: statusesOf('failed'), limit: limit ?? 50, after };
    const { rows, nextCursor } = await this.records.page(importId, query);
    const causes = await this.records.errorCauses(importId);
    return {
      importId,
      causes: asJson(causes.slice(0, CAUSES)),
      rows: rows.map((row) => exactJson(recordJson(row, true))),
      nextCursor,
    };
  }

  async undoImport({ importId, preview }: UndoArguments, { principal }: ToolCall): Promise<JsonObject> {
    if (preview === true) {
      assertHoldsOneOf(principal, ['ViewImports']);
      const { counts, isPartial, sent } = await this.undos.summary(importId, principal);
      return { importId, undone: false, wouldBe: counts, countedAll: !isPartial, sent: asJson(sent) };
    }
    const undo = await this.undos.undo(importId, principal);
    return { ...statusOf(undo), undone: true, undoOf: importId };
  }

  /** What a person would see on the page of the upload. */
  private async planOf(
    batch: BatchResource,
    previewRows: number,
    { principal }: ToolCall,
  ): Promise<JsonObject> {
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: planId } = batch;
    const reason = this.needsPerson(batch);
    const preview =
      previewRows > 0 && batch.summary?.operations
        ? await this.previewOf(planId, previewRows, principal)
        : [];
    return {
      planId,
      ...statusOf(batch),
      needsPerson: reason !== null,
      ...(reason !== null && { needsPersonBecause: reason }),
      understood: asJson(batch.understood),
      summary: asJson(batch.summary),
      preview,
    };
  }

  /** A key that may send but not read gets the counts only, as on the other routes. */
  private async previewOf(
    planId: number,
    limit: number,
    principal: ToolCall['principal'],
  ): Promise<JsonValue> {
    const { permissions } = principal;
    if (!permissions.includes('ViewImports') && !permissions.includes('ReadOwnImports')) return [];
    return asJson((await this.previews.page(planId, { limit }, principal)).items);
  }

  /** Why only a person may confirm the plan; `null` if a tool may. Without a preview the updates are not known. */
  private needsPerson({ summary }: BatchResource): string | null {
    const { mcpMaxRows, mcpMaxUpdates } = this.config;
    if (summary === null) return 'The file is still being read.';
    const { valid, operations } = summary;
    if (valid > mcpMaxRows) return `It would import ${valid} rows, more than ${mcpMaxRows} (MCP_MAX_ROWS).`;
    if (valid === 0) return null;
    if (operations === null) return 'There is no preview that shows how many things it would update.';
    const { update } = operations;
    if (update <= mcpMaxUpdates) return null;
    return `It would update ${update} things, more than ${mcpMaxUpdates} (MCP_MAX_UPDATES).`;
  }
}

function planNeedsPerson({ resultsUrl }: BatchResource, reason: string): DomainError {
  return mcpErrors.plan_needs_person(
    `${reason} Ask a person to check and confirm it at ${resultsUrl}, then call apply_import again.`,
    { extensions: { page: resultsUrl } },
  );
}

/** An upload that someone has confirmed, whatever became of it since. */
function isConfirmed({ summary, status, startedAt }: BatchResource): boolean {
  if (summary === null || status === 'validated' || status === 'awaiting_confirmation') return false;
  return status !== 'canceled' || startedAt !== null;
}

function statusOf(batch: BatchResource): JsonObject {
  const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: importId, resultsUrl: page, fileName, status } = batch;
  const { recordCounts, operations, progress, failureReason, pauseReason, undoOf, undoneBy } = batch;
  return {
    ...{ importId, page, fileName, status },
    ...{ importProcessId: batch.importProcessId, importProcessName: batch.importProcessName },
    ...{ recordCounts: { ...recordCounts }, operations: { ...operations }, progress: { ...progress } },
    ...{ failureReason, pauseReason, undoOf, undoneBy },
  };
}

/** The arguments as the query of `POST …/Uploads`, so that the same rules refuse the same mistakes. */
function queryOf({ importProcessId, fileName, reading }: PlanArguments): Record<string, string> {
  const choices = Object.entries((reading ?? {}) as JsonObject).flatMap(
    ([name, value]): [string, string][] => {
      if (value === null) return [];
      return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
    },
  );
  return {
    ...Object.fromEntries(choices),
    ...{ importProcessId: String(importProcessId), fileName, creationPath: CREATION_PATH },
  };
}

const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;

/** @throws DomainError 400 unless exactly one of both is given */
function bytesOf({ content, contentBase64 }: PlanArguments): Buffer {
  if ((content === undefined) === (contentBase64 === undefined)) {
    throw invalidArgument('content', 'give the file either as content or as contentBase64');
  }
  if (content !== undefined) {
    // Half of a surrogate pair would silently become U+FFFD.
    if (!content.isWellFormed()) throw invalidArgument('content', 'content is not valid Unicode text');
    return Buffer.from(content, 'utf8');
  }
  if (contentBase64 === undefined || !BASE64.test(contentBase64)) {
    throw invalidArgument('contentBase64', 'contentBase64 is not base64');
  }
  return Buffer.from(contentBase64, 'base64');
}

function invalidArgument(parameter: string, message: string): DomainError {
  return invalidParameters([{ parameter, code: 'invalid_value', message }]);
}

/** As an answer of the HTTP API would be written and read again. */
function asJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}

/** A number that JavaScript cannot represent stays exact as its text. */
function exactJson(text: string): JsonValue {
  const revive = (_name: string, value: unknown, context?: { source?: string }): unknown => {
    if (typeof value !== 'number' || context?.source === undefined) return value;
    const digits = context.source.replace(/[eE].*$|[-.]/g, '').replace(/^0+/, '');
    return Number.isFinite(value) && digits.length <= 15 ? value : context.source;
  };
  return JSON.parse(text, revive) as JsonValue;
}
