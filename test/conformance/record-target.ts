import type { DatabaseService } from '../../src/platform/database/database.service.js';
import { compileJsonSchema } from '../../src/platform/json/json-schema.js';
import type { JsonObject } from '../../src/platform/json/json-value.js';
import type {
  ChunkContext,
  DeliveredOutcome,
  ImportRecord,
  PinnedConfiguration,
  RecordOutcome,
  RecordTarget,
  TargetConfiguration,
} from '../../src/records/target.js';
import { startDatabaseService } from '../support/test-database-service.js';

/** A target, and what the suite has to know about it. */
export interface TargetUnderTest {
  target: RecordTarget;
  /** A configuration that `validate` accepts. */
  configuration: TargetConfiguration;
  /** A configuration that `validate` refuses; absent if none exists. */
  unusable?: TargetConfiguration;
  /** Rows that pass `checkRow` and succeed, each about something of its own. */
  rows: object[];
  /** A row that `checkRow` refuses; absent if none exists. */
  invalid?: object;
  /** A row that passes `checkRow` and fails in `process` once `rows` are processed; absent if none exists. */
  failing?: object;
  /** Number of effects in the database. */
  effects(): Promise<number>;
  /**
   * The effects commit in another database, before the chunk does. They outlive a rollback of the chunk; when it is
   * processed again, it must answer the outcomes that it had.
   */
  commitsElsewhere?: boolean;
}

/** The outcomes of a target that writes through the transaction, or delivers without it. */
async function processed(
  target: RecordTarget,
  records: readonly ImportRecord[],
  context: ChunkContext,
): Promise<RecordOutcome[]> {
  if (target.process !== undefined) return target.process(records, context);
  const { batchId, chunkNumber, compiled } = context;
  const outcomes: Omit<DeliveredOutcome, 'attempts'>[] = [];
  const { signal } = new AbortController();
  await target.deliver?.(records, {
    ...{ batchId, chunkNumber, compiled, importProcessId: 1, ordered: false, isProbe: false },
    ...{ states: new Map(), stop: signal, cut: signal },
    begin: () => Promise.resolve(),
    postpone: () => Promise.resolve(),
    save: (saved) => {
      for (const { attempts, ...outcome } of saved) {
        expect(attempts).toBe(1);
        outcomes.push(outcome);
      }
      return Promise.resolve();
    },
  });
  return outcomes as RecordOutcome[];
}

/**
 * What every `RecordTarget` must do, whatever it does with its records. `prepare` creates the tables or definitions
 * that the target needs in an empty, migrated database.
 */
export function describeTarget(
  name: string,
  prepare: (database: DatabaseService) => Promise<TargetUnderTest>,
): void {
  describe(name, () => {
    let database: DatabaseService;
    let stop: () => Promise<void>;
    let given: TargetUnderTest;
    let pinned: PinnedConfiguration;

    beforeAll(async () => {
      ({ database, stop } = await startDatabaseService());
      given = await prepare(database);
      const { target, configuration } = given;
      pinned = { target: configuration, recordSchema: null, ...(await target.pin(configuration)) };
    });
    afterAll(() => stop());

    /** As a chunk is processed; with `thenFail`, its transaction is rolled back. */
    const process = async (records: readonly ImportRecord[], thenFail = false, chunkNumber = 1) => {
      const compiled = await given.target.compile(pinned);
      let outcomes: RecordOutcome[] = [];
      const rolledBack = new Error('rolled back by the test');
      const chunk = { batchId: 1, chunkNumber, compiled, actor: 'api-key:1', keepOrder: () => undefined };
      const done = database.transaction(async (transaction) => {
        outcomes = await processed(given.target, records, { ...chunk, transaction });
        if (thenFail) throw rolledBack;
      });
      await (thenFail ? expect(done).rejects.toBe(rolledBack) : done);
      return outcomes.sort((a, b) => a.line - b.line);
    };
    const recordsOf = (...rows: object[]): ImportRecord[] =>
      rows.map((row, index) => ({ line: index + 1, payload: JSON.stringify(row) }));

    it('accepts a usable configuration and reports each mistake of another with its place', async () => {
      const { target, configuration, unusable } = given;
      expect(await target.validate(configuration, null)).toEqual([]);
      if (unusable === undefined) return;
      const problems = await target.validate(unusable, null);
      expect(problems).not.toEqual([]);
      for (const { pointer, code, message } of problems) {
        expect([pointer, code, message]).toEqual([
          expect.stringMatching(/^\/(target|recordSchema)/),
          expect.stringMatching(/^[a-z_]+$/),
          expect.stringMatching(/\S/),
        ]);
      }
    });

    it('describes rows by columns and a schema that agree with its check', async () => {
      const { columns, schema, checkRow } = await given.target.compile(pinned);
      const violation = compileJsonSchema(schema);
      const example = Object.fromEntries(columns.map((column) => [column.name, column.example]));
      for (const row of [...given.rows, ...(columns.length > 0 ? [example] : [])]) {
        expect([
          violation(row as JsonObject),
          checkRow(row as JsonObject, JSON.stringify(row)).error,
        ]).toEqual([null, null]);
      }
      if (given.invalid === undefined) return;
      const refused = checkRow(given.invalid as JsonObject, JSON.stringify(given.invalid));
      // All errors may be listed; the first of them stands alone, too.
      const { errors = [refused.error], ...verdict } = refused;
      expect(verdict).toEqual({
        error: expect.objectContaining({
          code: expect.stringMatching(/^[a-z_]+$/) as string,
          message: expect.stringMatching(/\S/) as string,
        }) as object,
        orderingKeys: [],
      });
      expect(errors[0]).toEqual(refused.error);
    });

    it('checks a row the same way every time, without changing it', async () => {
      const { checkRow } = await given.target.compile(pinned);
      for (const row of given.rows) {
        const raw = JSON.stringify(row);
        const first = checkRow(row as JsonObject, raw);
        expect(checkRow(row as JsonObject, raw)).toEqual(first);
        expect(JSON.stringify(row)).toBe(raw);
      }
    });

    it('previews what processing then does, and writes nothing for it', async () => {
      const before = await given.effects();
      const { target } = given;
      if (target.preview === undefined) return;
      const run = await target.preview({ compiled: await target.compile(pinned), sql: database });
      const seen = (await run.lookUp(recordsOf(...given.rows))).foresee(() => false);
      expect(await given.effects()).toBe(before);
      const processed = await process(recordsOf(...given.rows), true);
      expect(seen.map(({ line, operation }) => [line, operation]).sort()).toEqual(
        processed.map(({ line, operation }) => [line, operation]),
      );
    });

    /** Break it: write through another connection than `context.transaction`. */
    it('has each effect once when the chunk is rolled back and processed again', async () => {
      const records = recordsOf(...given.rows);
      const none = given.commitsElsewhere === true ? records.length : 0;
      const first = await process(records, true);
      expect(await given.effects()).toBe(none);
      const outcomes = await process(records);
      expect(outcomes).toEqual(given.commitsElsewhere === true ? first : outcomes);
      expect(outcomes.map(({ line, status }) => [line, status])).toEqual(
        records.map(({ line }) => [line, 'succeeded']),
      );
      expect(await given.effects()).toBe(records.length);
    });

    it('answers one outcome per record, and a failing record harms no other', async () => {
      const [row, other] = given.rows;
      if (given.failing === undefined || row === undefined || other === undefined) return;
      const outcomes = await process(recordsOf(row, given.failing, other), false, 2);
      expect(outcomes.map(({ line, status }) => [line, status])).toEqual([
        [1, 'succeeded'],
        [2, 'failed'],
        [3, 'succeeded'],
      ]);
      expect(outcomes[1]).toMatchObject({
        operation: 'rejected',
        error: { code: expect.any(String) as string },
      });
    });

    it('has nothing to do for no records', async () => {
      expect(await process([])).toEqual([]);
    });
  });
}
