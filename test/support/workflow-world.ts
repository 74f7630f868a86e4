import type {
  ActionDefinition,
  WorkflowDefinition,
  WorkflowTargetConfiguration,
} from '../../src/workflows/definition.js';
import { grantRole } from './grant-role-definition.js';
import { ImportClient, jsonl } from './import-client.js';
import type { TestApp } from './test-app.js';

type Row = Record<string, unknown>;

const INPUTS = ['First Name', 'Date Of Birth', 'Hours', 'Level'];

/** The definition of workflow.md, with the changes a sentence needs. */
export function documentedWorkflow(
  name: string,
  grant: Partial<ActionDefinition> = {},
  actions: ActionDefinition[] = [],
): WorkflowDefinition {
  return grantRole({
    name,
    attributes: [
      { name: 'First Name', type: 'ShortText', maxLength: 100 },
      { name: 'Date Of Birth', type: 'Date' },
      { name: 'Hours', type: 'Numeric', minimum: 0 },
      { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
      { name: 'Granted On', type: 'DateTime' },
    ],
    stepsBefore: [
      {
        name: 'Application',
        kind: 'dataEntry',
        actions: [{ id: 1, name: 'Apply', inputs: INPUTS, primary: { kind: 'moveToStep', step: 'Review' } }],
      },
      { name: 'Review', kind: 'dataEntry', actions: [] },
    ],
    importStep: { actsOnTerminal: false },
    grant: { inputs: INPUTS, ...grant },
    actions,
  });
}

/** One workflow and one import process of a running application. */
export class WorkflowWorld {
  private constructor(
    readonly client: ImportClient,
    readonly name: string,
    readonly processId: number,
  ) {}

  static async make(
    app: TestApp,
    definition: WorkflowDefinition,
    target: Partial<WorkflowTargetConfiguration> = {},
  ): Promise<WorkflowWorld> {
    const client = new ImportClient(app.url);
    return new WorkflowWorld(client, definition.name, await client.setUp(definition, target));
  }

  /** What became of each row: `created`, `ambiguous_match`, `skipped`. */
  async import(rows: readonly Row[]): Promise<string[]> {
    return (await this.records(rows)).map(
      ({ status, operation, error }) => error?.code ?? operation ?? status,
    );
  }

  async records(
    rows: readonly Row[],
  ): Promise<
    { status: string; operation: string | null; error: { code: string; message: string } | null }[]
  > {
    const { status, body } = await this.client.createBatch(jsonl([...rows]), {
      importProcessId: this.processId,
    });
    if (status !== 202) throw new Error(`the batch was refused: ${JSON.stringify(body)}`);
    const id: number = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await this.client.ended(id);
    return (await this.client.get(`/API/WorkflowImportQueue/Batches/${id}/Records?limit=200`)).body.items;
  }

  /** Oldest first. */
  async instances(): Promise<{ id: number; status: string; step: string | null; attributes: Row }[]> {
    const { body } = await this.client.get(`/API/Workflows/${this.name}/Instances?limit=200`);
    return body.items.reverse();
  }

  async instance(id: number): Promise<{
    log: { items: { action: string; line: number; batchId: number; actor: string; changes: Row }[] };
    behaviors: { items: { status: string }[] };
    status: string;
    step: string | null;
    attributes: Row;
  }> {
    return (await this.client.get(`/API/Workflows/${this.name}/Instances/${id}`)).body;
  }
}
