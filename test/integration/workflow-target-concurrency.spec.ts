import type { JsonObject } from '../../src/platform/json/json-value.js';
import type { RecordOutcome } from '../../src/records/target.js';
import { eventually } from '../support/eventually.js';
import { type Chunk, outcomesOf, WorkflowFixture } from '../support/workflow-fixture.js';

const members = (from: number, to: number, change: JsonObject = {}): JsonObject[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    ':UniqueId': `M-${from + index}`,
    ':Email': `person${from + index}@example.org`,
    ...change,
  }));

describe('two chunks about the same things at the same time', () => {
  let fixture: WorkflowFixture;

  beforeAll(async () => {
    fixture = await WorkflowFixture.start();
  });
  beforeEach(() => fixture.clear());
  afterAll(() => fixture.stop());

  /** The second begins when the first has done its work, and the first ends when the second waits for it. */
  async function collide(
    first: JsonObject[],
    second: JsonObject[],
    end: () => Promise<void> = () => Promise.resolve(),
    chunk: Chunk = {},
  ): Promise<{ first: PromiseSettledResult<RecordOutcome[]>; second: RecordOutcome[] }> {
    let other: Promise<RecordOutcome[]> | undefined;
    const [settled] = await Promise.allSettled([
      fixture.process(first, {
        batchId: 1,
        after: async () => {
          other = fixture.process(second, { batchId: 2, ...chunk });
          await eventually(someoneWaits, 'the second chunk to wait for the first');
          await end();
        },
      }),
    ]);
    return { first: settled, second: await other! };
  }

  async function someoneWaits(): Promise<boolean> {
    const { rows } = await fixture.database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  }

  it('create each thing once: the later chunk finds what the earlier created', async () => {
    const { second } = await collide(members(1, 50, { Name: 'A' }), members(1, 60, { Name: 'B' }).reverse());
    expect(second.filter(({ operation }) => operation === 'updated')).toHaveLength(50);
    expect(second.filter(({ operation }) => operation === 'created')).toHaveLength(10);
    const instances = await fixture.instances();
    expect(instances).toHaveLength(60);
    expect(new Set(instances.map(({ attributes }) => attributes.Name))).toEqual(new Set(['B']));
    expect(await fixture.identifiers()).toHaveLength(120);
    expect(await fixture.log()).toHaveLength(110);
  });

  it('affect only the record in the middle that collides', async () => {
    const { second } = await collide(members(25, 25, { Name: 'A' }), members(1, 50, { Name: 'B' }));
    expect(second.filter(({ operation }) => operation !== 'created')).toMatchObject([
      { line: 25, operation: 'updated' },
    ]);
    expect(await fixture.instances()).toHaveLength(50);
  });

  it('create each thing once when the earlier chunk is rolled back', async () => {
    const { first, second } = await collide(members(1, 20), members(1, 20), () =>
      Promise.reject(new Error('the worker was stopped')),
    );
    expect(first.status).toBe('rejected');
    expect(new Set(second.map(({ operation }) => operation))).toEqual(new Set(['created']));
    expect(await fixture.instances()).toHaveLength(20);
  });

  it('lose no update', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'A', Hours: 1 }]);
    const { second } = await collide([{ ':UniqueId': 'M-1', Name: 'B' }], [{ ':UniqueId': 'M-1', Hours: 2 }]);
    expect(outcomesOf(second)).toEqual(['1 updated 1']);
    expect((await fixture.instances())[0]!.attributes).toEqual({ ':UniqueId': 'M-1', Name: 'B', Hours: 2 });
  });

  it('change nothing if the earlier chunk already made it so', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'A' }]);
    const row = { ':UniqueId': 'M-1', Name: 'B' };
    expect(outcomesOf((await collide([row], [row])).second)).toEqual(['1 unchanged 1']);
  });

  it('refuse what the earlier chunk has completed', async () => {
    await fixture.process([{ ':UniqueId': 'M-1' }]);
    const completing = { ':UniqueId': 'M-1', ':WorkflowActionName': 'Succeed' };
    const { second } = await collide([completing], [{ ':UniqueId': 'M-1', Name: 'B' }]);
    expect(outcomesOf(second)).toEqual(['1 rejected instance_completed 1']);
  });

  it('find the thing to which the earlier chunk moved the identifier', async () => {
    await fixture.process([
      { ':UniqueId': 'M-1', ':Email': 'a@example.org' },
      { ':UniqueId': 'M-2', ':Email': 'b@example.org' },
    ]);
    const { second } = await collide(
      [
        { ':UniqueId': 'M-1', ':Email': 'c@example.org' },
        { ':UniqueId': 'M-2', ':Email': 'a@example.org' },
      ],
      [{ ':Email': 'a@example.org', Name: 'found' }],
    );
    expect(outcomesOf(second)).toEqual(['1 updated 2']);
    expect((await fixture.instances()).map(({ attributes }) => attributes.Name)).toEqual([
      undefined,
      'found',
    ]);
  });

  /**
   * Break it: in `LookUp.unchanged`, answer no row.
   */
  it('lock only what they change', async () => {
    const rows = members(1, 4, { Name: 'A', Areas: ['B', 'A'] });
    await fixture.process(rows);
    let free: unknown[] = [];
    const second = await fixture.process([...members(1, 1, { Name: 'B' }), ...rows.slice(1)], {
      batchId: 2,
      after: async () => {
        const answer = await fixture.database.query<{ id: number }>(
          'SELECT workflow_instance_id AS id FROM workflow_instance FOR UPDATE SKIP LOCKED',
        );
        free = answer.rows.map(({ id }) => id);
      },
    });
    expect(outcomesOf(second)).toEqual(['1 updated 1', '2 unchanged 2', '3 unchanged 3', '4 unchanged 4']);
    expect(free).toEqual([2, 3, 4]);
  });

  /** Break it: in `LookUp.unchanged`, leave out the condition on `changed`. */
  it('see what other rows of the chunk change, also where a row asks for what was there before', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', ':Email': 'a@example.org', Name: 'A' }]);
    const outcomes = await fixture.process([
      { ':UniqueId': 'M-1', Name: 'A' },
      { ':Email': 'a@example.org', Name: 'B' },
      { ':UniqueId': 'M-1', Name: 'A' },
    ]);
    expect(outcomesOf(outcomes)).toEqual(['1 unchanged 1', '2 updated 1', '3 updated 1']);
    expect((await fixture.instances())[0]!.attributes.Name).toBe('A');
  });

  it('also create one thing by an identifier that no index keeps unique', async () => {
    const { second } = await collide([{ ':Team': 'T', Name: 'A' }], [{ ':Team': 'T', Name: 'B' }]);
    expect(outcomesOf(second)).toEqual(['1 updated 1']);
    expect(await fixture.instances()).toHaveLength(1);
  });
});

describe('many chunks about a few things at the same time', () => {
  it('have the same outcome as one after the other', async () => {
    const fixture = await WorkflowFixture.start();
    const things = 40;
    const outcomes: RecordOutcome[] = [];
    const worker = async (number: number) => {
      for (let chunk = 0; chunk < 6; chunk += 1) {
        const rows = Array.from({ length: 30 }, (_, line) => {
          const thing = (number * 7 + chunk * 13 + line * (number + 3)) % things;
          const identifier = line % 2 === 0 ? ':UniqueId' : ':Email';
          const both = { ':UniqueId': `M-${thing}`, ':Email': `p${thing}@example.org` };
          return {
            ...(line % 3 === 0 ? both : { [identifier]: both[identifier] }),
            Name: `${number}-${chunk}-${line}`,
          };
        });
        outcomes.push(...(await retried(() => fixture.process(rows, { batchId: number * 100 + chunk }))));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, number) => worker(number)));

    const succeeded = outcomes.filter(({ operation }) => operation === 'created' || operation === 'updated');
    const log = await fixture.log();
    expect(log).toHaveLength(succeeded.length);
    // Every change starts from where the one before left the thing.
    const names = new Map<number, unknown>();
    for (const { id, changes } of log) {
      if (changes.Name === undefined) continue;
      const [before, after] = changes.Name as [unknown, unknown];
      expect(before).toEqual(names.get(id) ?? null);
      names.set(id, after);
    }
    const instances = await fixture.instances();
    for (const { id, attributes } of instances) expect(attributes.Name).toBe(names.get(id));
    const { rows } = await fixture.database.query(
      'SELECT name, value FROM workflow_identifier GROUP BY 1, 2 HAVING count(*) > 1',
    );
    expect(rows).toEqual([]);
    await fixture.stop();
  });
});

/** As the runner does with a chunk that was the victim of a deadlock. */
async function retried<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if ((error as { code?: string }).code !== '40P01') throw error;
    return retried(work);
  }
}
