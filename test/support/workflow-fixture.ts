import type { DatabaseService, Transaction } from '../../src/platform/database/database.service.js';
import type { JsonObject, JsonValue } from '../../src/platform/json/json-value.js';
import type { RecordOutcome } from '../../src/records/target.js';
import { WorkflowTarget } from '../../src/targets/workflow/workflow.target.js';
import type { WorkflowDefinition, WorkflowTargetConfiguration } from '../../src/workflows/definition.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { startDatabaseService } from './test-database-service.js';

/** Several may share a team; two steps of data entry; one import step that acts on completed instances, one not. */
export const MEMBERSHIP: WorkflowDefinition = {
  name: 'membership',
  title: 'Membership',
  entityType: 'MemberRole',
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
    { name: ':Team', unique: false },
  ],
  attributes: [
    { name: 'Name', type: 'ShortText' },
    { name: 'Hours', type: 'Numeric' },
    { name: 'Areas', type: 'MultiSelectList', options: ['A', 'B', 'C'] },
    { name: 'constructor', type: 'ShortText' },
  ],
  steps: [
    { name: 'Application', kind: 'dataEntry', actions: [] },
    { name: 'Review', kind: 'dataEntry', actions: [] },
    importStep('Import', false),
    importStep('Reopen', true),
  ],
};

function importStep(name: string, actsOnTerminal: boolean): WorkflowDefinition['steps'][number] {
  const inputs = ['Name', 'Hours', 'Areas', 'constructor'];
  const offset = actsOnTerminal ? 10 : 0;
  return {
    name,
    kind: 'dataImport',
    actsOnTerminal,
    actions: [
      { id: offset + 1, name: 'Save', inputs, primary: { kind: 'save' } },
      { id: offset + 2, name: 'Move', inputs, primary: { kind: 'moveToStep', step: 'Review' } },
      { id: offset + 3, name: 'Succeed', inputs, primary: { kind: 'completeSuccessfully' } },
      { id: offset + 4, name: 'Fail', inputs, primary: { kind: 'completeUnsuccessfully' } },
      { id: offset + 5, name: 'Undo', inputs, primary: { kind: 'makeIncomplete' } },
    ],
  };
}

export interface Chunk {
  configuration?: Partial<WorkflowTargetConfiguration>;
  batchId?: number;
  firstLine?: number;
  /** Runs in the chunk's transaction, after its rows were processed. */
  before?: (transaction: Transaction) => Promise<void>;
  after?: (transaction: Transaction) => Promise<void>;
  keepOrder?: (orderingKeys: readonly string[]) => void;
}

/** The workflow target on a database of its own. */
export class WorkflowFixture {
  private constructor(
    readonly database: DatabaseService,
    readonly target: WorkflowTarget,
    readonly workflows: WorkflowDefinitionsService,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(definition = MEMBERSHIP): Promise<WorkflowFixture> {
    const { database, stop } = await startDatabaseService();
    const workflows = new WorkflowDefinitionsService(database);
    await workflows.create(definition, 'test');
    return new WorkflowFixture(database, new WorkflowTarget(workflows), workflows, stop);
  }

  /** Forgets every instance. */
  async clear(): Promise<void> {
    await this.database.query(
      'TRUNCATE workflow_instance, workflow_identifier, workflow_log RESTART IDENTITY',
    );
  }

  /** Processes rows as one chunk in a transaction of its own; lines begin at `firstLine`. */
  async process(rows: readonly JsonObject[], chunk: Chunk = {}): Promise<RecordOutcome[]> {
    const { configuration, batchId = 1, firstLine = 1, before, after, keepOrder = () => undefined } = chunk;
    const compiled = await this.target.compile({
      target: {
        kind: 'workflow',
        workflow: 'membership',
        step: 'Import',
        action: 'Save',
        onNoMatch: 'create',
        onMatch: 'update',
        ...configuration,
      },
      recordSchema: null,
      workflowVersion: 1,
      allowWithoutIdentifier: true,
    });
    const records = rows.map((row, index) => ({ line: firstLine + index, payload: JSON.stringify(row) }));
    return this.database.transaction(async (transaction) => {
      await before?.(transaction);
      const outcomes = await this.target.process(records, {
        batchId,
        chunkNumber: 1,
        compiled,
        actor: 'api-key:1',
        transaction,
        keepOrder,
      });
      await after?.(transaction);
      return outcomes.sort((a, b) => a.line - b.line);
    });
  }

  /** In the order of their creation. */
  async instances(): Promise<{ id: number; status: string; step: string | null; attributes: JsonObject }[]> {
    const { rows } = await this.database.query<{
      id: number;
      status: string;
      step: string | null;
      attributes: JsonObject;
    }>('SELECT workflow_instance_id AS id, status, step, attributes FROM workflow_instance ORDER BY 1');
    return rows;
  }

  /** `:Email ada@example.org 5`, sorted. */
  async identifiers(): Promise<string[]> {
    const { rows } = await this.database.query<{ name: string; value: string; id: number }>(
      'SELECT name, value, workflow_instance_id AS id FROM workflow_identifier ORDER BY 1, 2, 3',
    );
    return rows.map(({ name, value, id }) => `${name} ${value} ${id}`);
  }

  /** In the order in which they were written. */
  async log(): Promise<
    {
      id: number;
      batch: number;
      line: number;
      action: string;
      actor: string;
      changes: Record<string, JsonValue>;
    }[]
  > {
    const { rows } = await this.database.query<Awaited<ReturnType<WorkflowFixture['log']>>[number]>(
      `SELECT workflow_instance_id AS id, workflow_import_queue_batch_id AS batch, line_number AS line, action, actor,
              workflow_log_changes(workflow_log) AS changes FROM workflow_log ORDER BY workflow_log_id`,
    );
    return rows;
  }
}

/** `1 created 5`, `2 rejected no_match`. */
export function outcomesOf(outcomes: readonly RecordOutcome[]): string[] {
  return outcomes.map((outcome) => {
    const { line, status, operation, reference } = outcome;
    const error = status === 'failed' ? ` ${outcome.error.code}` : '';
    return `${line} ${operation ?? status}${error}${reference === null ? '' : ` ${reference}`}`;
  });
}
