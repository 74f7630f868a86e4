import { results, TableFixture } from '../support/table-fixture.js';

const LOGGED = `
  CREATE TABLE crm.team (id integer PRIMARY KEY);
  CREATE TABLE crm.player (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text, badge numeric(20, 2) UNIQUE, doubled numeric GENERATED ALWAYS AS (badge * 2) STORED,
    facts json, seen timestamptz, changes integer NOT NULL DEFAULT 0
  );
  CREATE TABLE crm.goal (player integer REFERENCES crm.player);
  CREATE FUNCTION crm.count_changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.changes := OLD.changes + 1; RETURN NEW; END $$;
  CREATE TRIGGER count_changes BEFORE UPDATE ON crm.player FOR EACH ROW EXECUTE FUNCTION crm.count_changes()`;

describe('the undo of an import into a table', () => {
  let fixture: TableFixture;
  const player = {
    table: 'player',
    key: ['email'],
    columns: { Email: 'email', Name: 'name', Badge: 'badge', Facts: 'facts' },
    log: true,
  };
  const rowOf = (email: string, more: object = {}) => ({ Email: `${email}@example.org`, ...more });
  const players = () =>
    fixture.sql('SELECT id, name, badge::text AS badge, facts::text AS facts FROM crm.player ORDER BY id');

  beforeAll(async () => {
    fixture = await TableFixture.start();
    await fixture.sql(LOGGED);
  });
  afterAll(() => fixture.close());
  beforeEach(async () => {
    await fixture.sql(`TRUNCATE crm.player, crm.goal RESTART IDENTITY;
      DROP TABLE IF EXISTS crm.import_queue_change, crm.import_queue_mark`);
    // A new target, because this one knows that the tables exist.
    fixture.renewTarget();
    await fixture.sql(`INSERT INTO crm.player (email, name, badge, facts, seen)
      VALUES ('ada@example.org', 'Ada', 1.50, '{"b": 1,  "a": 1.10}', '2026-01-31 09:30:00.123456+01')`);
  });

  /** Break it: in `TableUndo.decide`, build the patch from `after`; in `writing`, log the row of `seen` twice. */
  it('gives back updated rows exactly, deletes created ones, and its own undo restores both with their ids', async () => {
    const before = await players();
    const sent = [
      rowOf('ada', { Name: 'Augusta', Facts: { a: 2 } }),
      rowOf('bob', { Name: 'Bob', Badge: 2 }),
      rowOf('bob', { Name: 'Robert' }),
      rowOf('bob', { Name: 'Robert' }),
    ];
    const done = await fixture.process(player, sent);
    expect(results(done)).toEqual(['updated', 'created', 'updated', 'unchanged']);
    const after = await players();
    const foreseen = await fixture.previewUndo(player, done);
    expect(foreseen.map(({ line, operation }) => [line, operation])).toEqual([
      [1, 'reverted'],
      [2, 'reverted'],
      [3, 'reverted'],
    ]);
    expect(foreseen[0]?.changes).toContainEqual({ field: 'Name', before: 'Augusta', after: 'Ada' });
    const undone = await fixture.undo(player, done);
    expect(results(undone)).toEqual(['reverted', 'reverted', 'reverted']);
    expect(await players()).toEqual(before);
    // The same chunk again, as after a crash between the two commits.
    expect(results(await fixture.undo(player, done))).toEqual(['reverted', 'reverted', 'reverted']);
    const redone = await fixture.undo(player, done, { undoneBatchId: 2, batchId: 3, lastLineFirst: false });
    expect(results(redone)).toEqual(['reverted', 'reverted', 'reverted']);
    expect(await players()).toEqual(after);
  });

  /** Break it: in `RevertedRow.isAsLogged`, return true; in `find`, forget `later`. */
  it('keeps rows that another import or anyone else has changed since, and says by whom', async () => {
    const done = await fixture.process(
      player,
      ['ada', 'bob', 'cyd', 'dan'].map((each) => rowOf(each, { Name: 'A' })),
    );
    await fixture.process(player, [rowOf('bob', { Name: 'B' })], { batchId: 5 });
    await fixture.sql(`UPDATE crm.player SET seen = now() WHERE email LIKE 'cyd%'`);
    await fixture.sql(`INSERT INTO crm.goal SELECT id FROM crm.player WHERE email LIKE 'dan%'`);
    const outcomes = (await fixture.undo(player, done)).sort((a, b) => a.line - b.line);
    expect(results(outcomes)).toEqual(['reverted', 'kept', 'kept', 'kept']);
    const messages = outcomes.map((outcome) => ('error' in outcome ? outcome.error.message : ''));
    expect(messages).toEqual([
      '',
      expect.stringContaining('changed by test at'),
      expect.stringContaining('the log has no later change'),
      expect.stringContaining('goal_player_fkey'),
    ]);
    expect((await players()).map(({ name }: any) => name)).toEqual(['Ada', 'B', 'A', 'A']);
    // An effect and its undo cancel each other out.
    const later = await fixture.undo(
      player,
      [{ line: 1, status: 'succeeded', operation: 'updated', reference: '2' }],
      {
        undoneBatchId: 5,
        batchId: 6,
      },
    );
    expect(results(later)).toEqual(['reverted']);
    const again = await fixture.undo(player, [done[1]!], { batchId: 7 });
    expect(results(again)).toEqual(['reverted']);
  });

  it('fails a record whose entry is gone, and logs nothing where no log is asked for', async () => {
    const done = await fixture.process({ ...player, log: false }, [rowOf('eve', { Name: 'Eve' })]);
    expect(await fixture.sql(`SELECT to_regclass('crm.import_queue_change') AS name`)).toEqual([
      { name: null },
    ]);
    expect(results(await fixture.undo(player, done))).toEqual(['not_logged']);
  });
});
