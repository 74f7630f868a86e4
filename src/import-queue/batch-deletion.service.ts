import { Injectable, Logger } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { batchNotFound, BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { isTerminal } from '../batches/batch-state.js';
import { lockBatch } from '../batches/batches.sql.js';
import { deleteStep, expireNow } from '../batches/retention.sql.js';
import { deleteBehaviorsOfBatch } from '../delivery/outbox.sql.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { stateConflict } from './batch-actions.service.js';

/** Records per transaction. */
const STEP_RECORDS = 10_000;
const STEP_MESSAGES = 1_000;
/** A larger batch is deleted after the answer. */
const STEPS_BEFORE_ANSWER = 10;

/** Deletes what an ended batch holds about its records, at once instead of at the end of its retention. */
@Injectable()
export class BatchDeletionService {
  private readonly logger = new Logger(BatchDeletionService.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
  ) {}

  /**
   * Answers the batch, whose row and counts stay. From then on no one reads its records. If the process dies, retention
   * deletes the rest. A repeated call continues.
   * @throws DomainError 404 `batch_not_found`, 403 `import_process_not_allowed`, 409 `state_conflict` unless it has ended
   */
  async delete(id: number, principal: Principal): Promise<BatchResource> {
    await this.database.transaction(async (transaction) => {
      const batch = await lockBatch(transaction, id);
      if (batch === undefined) throw batchNotFound(id);
      assertMayUse(principal, batch.importProcessId);
      if (!isTerminal(batch.status)) throw stateConflict('delete', id, batch.status);
      if (!(await expireNow(transaction, id))) return;
      await writeAudit(transaction, { actor: principal.id, action: 'batch_deleted', subject: `batch:${id}` });
    });
    const steps = this.steps(id);
    for (let step = 0; step < STEPS_BEFORE_ANSWER; step += 1) {
      if ((await steps.next()).done === true) return this.reader.get(id, principal);
    }
    void this.finish(id, steps);
    return this.reader.get(id, principal);
  }

  private async finish(id: number, steps: AsyncIterator<void>): Promise<void> {
    try {
      while ((await steps.next()).done !== true);
    } catch (error) {
      this.logger.warn(`Retention will delete the rest of batch ${id}: ${String(error)}`);
    }
  }

  private async *steps(id: number): AsyncGenerator<void, void, undefined> {
    for (let emptied = false; !emptied;) {
      const { deleted, emptied: last } = await this.database.transaction((transaction) =>
        deleteStep(transaction, id, STEP_RECORDS),
      );
      // No record left, and emptied by another call.
      emptied = last || deleted === 0;
      yield;
    }
    while ((await deleteBehaviorsOfBatch(this.database, id, STEP_MESSAGES)) === STEP_MESSAGES) yield;
  }
}
