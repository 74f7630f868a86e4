import { randomBytes } from 'node:crypto';
import type { JsonObject } from '../../src/platform/json/json-value.js';
import { WorkflowFixture } from '../support/workflow-fixture.js';

const rows = (count: number, change: (n: number) => JsonObject = () => ({})): JsonObject[] =>
  Array.from({ length: count }, (_, index) => ({
    ':UniqueId': `M-${index + 1}`,
    Name: 'good',
    ...change(index + 1),
  }));

describe('a record that PostgreSQL refuses', () => {
  let fixture: WorkflowFixture;

  beforeEach(async () => {
    fixture = await WorkflowFixture.start();
  });
  afterEach(() => fixture.stop());

  const refusePoison = () =>
    fixture.database.query(
      `ALTER TABLE workflow_instance ADD CONSTRAINT no_poison CHECK (attributes ->> 'Name' <> 'poison')`,
    );

  it('fails alone, with the message of PostgreSQL', async () => {
    await refusePoison();
    const outcomes = await fixture.process(
      rows(100, (n): JsonObject => (n === 37 ? { Name: 'poison' } : {})),
    );
    expect(outcomes[36]).toEqual({
      line: 37,
      status: 'failed',
      operation: 'rejected',
      reference: null,
      error: {
        code: 'not_storable',
        message:
          'the database refused the record: new row for relation "workflow_instance" violates check constraint "no_poison"',
      },
    });
    const others = outcomes.filter(({ line }) => line !== 37);
    expect(new Set(others.map(({ operation }) => operation))).toEqual(new Set(['created']));
    const instances = await fixture.instances();
    expect(instances.map(({ attributes }) => attributes[':UniqueId'])).toEqual(
      rows(100)
        .map((row) => row[':UniqueId'])
        .filter((id) => id !== 'M-37'),
    );
    expect(others.map(({ reference }) => reference)).toEqual(instances.map(({ id }) => String(id)));
    expect((await fixture.log()).map(({ line }) => line)).toEqual(others.map(({ line }) => line));
    expect(await fixture.identifiers()).toHaveLength(99);
  });

  it('fails alone if there are several, at both ends and side by side', async () => {
    await refusePoison();
    const poisonous = [1, 2, 50, 51, 99, 100];
    const outcomes = await fixture.process(
      rows(100, (n): JsonObject => (poisonous.includes(n) ? { Name: 'poison' } : {})),
    );
    expect(outcomes.filter(({ status }) => status === 'failed').map(({ line }) => line)).toEqual(poisonous);
    expect(await fixture.log()).toHaveLength(94);
  });

  it('leaves the thing as the row before left it, and the row after starts from there', async () => {
    await refusePoison();
    const thing = { ':UniqueId': 'M-1' };
    const outcomes = await fixture.process([
      { ...thing, Name: 'A' },
      { ...thing, Name: 'poison' },
      { ...thing, Hours: 3 },
      { ':UniqueId': 'M-2' },
    ]);
    const results = outcomes.map(({ line, operation }) => `${line} ${operation}`);
    expect(results).toEqual(['1 created', '2 rejected', '3 updated', '4 created']);
    expect((await fixture.instances())[0]!.attributes).toEqual({ ...thing, Name: 'A', Hours: 3 });
    expect((await fixture.log()).map(({ line }) => line)).toEqual([1, 3, 4]);
  });

  it('fails alone when a value is too large for an index', async () => {
    await fixture.database.query(`CREATE INDEX ON workflow_instance ((attributes ->> 'Name'))`);
    const Name = randomBytes(4000).toString('base64');
    const outcomes = await fixture.process(rows(10, (n): JsonObject => (n === 4 ? { Name } : {})));
    expect(outcomes.filter(({ status }) => status === 'failed')).toMatchObject([
      { line: 4, error: { code: 'not_storable', message: expect.stringContaining('index row') } },
    ]);
    expect(await fixture.instances()).toHaveLength(9);
  });

  it('fails alone among updates', async () => {
    await fixture.process(rows(20));
    await refusePoison();
    const outcomes = await fixture.process(rows(20, (n) => ({ Name: n === 7 ? 'poison' : 'better' })));
    expect(outcomes.filter(({ operation }) => operation !== 'updated').map(({ line }) => line)).toEqual([7]);
    const names = (await fixture.instances()).map(({ attributes }) => attributes.Name);
    expect(names).toEqual(rows(20).map((_, index) => (index === 6 ? 'good' : 'better')));
  });

  it.each(['40P01', '40001', '55P03'])(
    'is distinguished from a fault of the environment (%s), which fails the chunk',
    async (code) => {
      await fixture.database.query(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'asked to fail' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER fail BEFORE INSERT ON workflow_log EXECUTE FUNCTION fail()`);
      await expect(fixture.process(rows(3))).rejects.toMatchObject({ code });
      expect(await fixture.instances()).toEqual([]);
      expect(await fixture.identifiers()).toEqual([]);
    },
  );

  it('is distinguished from a lost connection, which fails the chunk', async () => {
    const broken = fixture.process(rows(3), {
      before: async (transaction) => {
        const { rows: pids } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await fixture.database.query('SELECT pg_terminate_backend($1)', [pids[0]!.pid]);
      },
    });
    await expect(broken).rejects.toThrow(/terminat|connection/i);
    expect(await fixture.instances()).toEqual([]);
  });
});
