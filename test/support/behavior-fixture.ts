import 'reflect-metadata';
import { Test, type TestingModule } from '@nestjs/testing';
import { DatabaseModule } from '../../src/app/database.js';
import { MessageSender, SENDING_TIMES, type SendingTimes } from '../../src/delivery/message-sender.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import { ConfigModule } from '../../src/platform/config/config.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { JsonObject } from '../../src/platform/json/json-value.js';
import type { RecordOutcome } from '../../src/records/target.js';
import { WorkflowTarget } from '../../src/targets/workflow/workflow.target.js';
import type { BehaviorDefinition, WorkflowDefinition } from '../../src/workflows/definition.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { BehaviorMessagesModule } from '../../src/workflows/workflows.module.js';
import { QUICK } from './notification-fixture.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

export interface BehaviorState {
  id: number;
  instance: number;
  line: number;
  kind: string;
  recipient: string;
  status: string;
  attempts: number;
  last_error: string | null;
  ended_at: Date | null;
  next_attempt_at: Date;
}

/** The workflow target and real behavior workers, on real servers. */
export class BehaviorFixture {
  private readonly workers: TestingModule[] = [];
  private batchId = 0;

  private constructor(
    private readonly testDatabase: TestDatabase,
    private readonly environment: Record<string, string>,
  ) {}

  static async start(
    environment: Record<string, string>,
    times: SendingTimes = QUICK,
  ): Promise<BehaviorFixture> {
    const fixture = new BehaviorFixture(await createTestDatabase(), environment);
    await fixture.addWorker(times);
    return fixture;
  }

  get database(): DatabaseService {
    return this.workers[0]!.get(DatabaseService);
  }

  get senders(): MessageSender[] {
    return this.workers.map((worker) => worker.get(MessageSender));
  }

  async addWorker(times: SendingTimes = QUICK): Promise<void> {
    const config = loadConfig({
      DATABASE_URL: this.testDatabase.url,
      DATABASE_POOL_SIZE: '6',
      REDIS_URL: process.env.REDIS_URL,
      QUEUE_PREFIX: this.testDatabase.name,
      PUBLIC_URL: 'https://imports.example.org',
      MAIL_FROM: 'Imports <imports@example.org>',
      ALLOW_PRIVATE_TARGETS: 'true',
      ...this.environment,
    });
    const worker = await Test.createTestingModule({
      imports: [ConfigModule.with(config), DatabaseModule, BehaviorMessagesModule],
    })
      .overrideProvider(SENDING_TIMES)
      .useValue(times)
      .compile();
    worker.useLogger(false);
    this.workers.push(worker);
    await worker.init();
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await this.testDatabase.drop();
  }

  /** Performs an action with these behaviors for each row, as a batch of its own; `fail` rolls all of it back. */
  async process(
    behaviors: BehaviorDefinition[],
    rows: readonly JsonObject[],
    { fail = false } = {},
  ): Promise<RecordOutcome[]> {
    this.batchId += 1;
    const name = `roles-${this.batchId}`;
    const workflows = new WorkflowDefinitionsService(this.database);
    await workflows.create(definition(name, behaviors), 'test');
    const target = new WorkflowTarget(workflows);
    const compiled = await target.compile({
      target: { kind: 'workflow', workflow: name, step: 'Import', onNoMatch: 'create', onMatch: 'update' },
      recordSchema: null,
      workflowVersion: 1,
    });
    const records = rows.map((row, index) => ({ line: index + 1, payload: JSON.stringify(row) }));
    const { batchId } = this;
    return this.database.transaction(async (transaction) => {
      const keepOrder = () => undefined;
      const context = { batchId, chunkNumber: 1, compiled, actor: 'test', transaction, keepOrder };
      const outcomes = await target.process(records, context);
      if (fail) throw new Error('rolled back by the test');
      return outcomes;
    });
  }

  /** Of the last batch, by line. */
  async behaviors(): Promise<BehaviorState[]> {
    const { rows } = await this.database.query<BehaviorState>(
      `SELECT outbox_id AS id, workflow_instance_id AS instance, line_number AS line, kind, recipient, status, attempts,
              last_error, ended_at, next_attempt_at
         FROM outbox WHERE workflow_import_queue_batch_id = $1 ORDER BY line_number, behavior_number`,
      [this.batchId],
    );
    return rows;
  }
}

function definition(name: string, behaviors: BehaviorDefinition[]): WorkflowDefinition {
  const inputs = ['Name', 'Granted At'];
  return {
    ...{ name, title: name, entityType: 'Role' },
    identifiers: [
      { name: ':Id', unique: true },
      { name: ':Email', unique: true, format: 'email' },
    ],
    attributes: [
      { name: 'Name', type: 'ShortText' },
      { name: 'Granted At', type: 'DateTime' },
    ],
    steps: [
      {
        name: 'Import',
        kind: 'dataImport',
        actions: [{ id: 1, name: 'Grant', inputs, primary: { kind: 'save' }, behaviors }],
      },
    ],
  };
}

export const people = (count: number, more: JsonObject = {}): JsonObject[] =>
  Array.from({ length: count }, (_, index) => ({
    ':Id': `M-${index + 1}`,
    ':Email': `person${index + 1}@example.org`,
    Name: `Name ${index + 1}`,
    ...more,
  }));
