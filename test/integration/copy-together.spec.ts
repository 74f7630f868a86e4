import { Client } from 'pg';
import type { CopyInput, PgMessage } from '../../src/platform/database/copy-rows.js';
import { RolledBackError } from '../../src/platform/database/transaction.js';
import { startDatabaseService, type TestDatabaseService } from '../support/test-database-service.js';

describe('rows of several tables written together', () => {
  let service: TestDatabaseService;

  beforeAll(async () => {
    service = await startDatabaseService();
    await service.database.query('CREATE TABLE parent (id integer PRIMARY KEY, name text)');
    await service.database.query('CREATE TABLE child (parent integer REFERENCES parent, name text NOT NULL)');
  });
  afterAll(() => service.stop());
  beforeEach(() => service.database.query('TRUNCATE parent, child'));

  const rows = (into: string, text: string): CopyInput => ({ into, rows: Buffer.from(text) });
  const stored = async (): Promise<number[]> => {
    const { rows: counts } = await service.database.query<{ count: number }>(
      'SELECT count(*) FROM parent UNION ALL SELECT count(*) FROM child',
    );
    return counts.map(({ count }) => count);
  };

  it('exist in the order of the tables, byte for byte', async () => {
    await service.database.transaction(async (transaction) => {
      await transaction.copyTogether([
        rows('parent (id, name)', '1\tÄda\\tLovelace 🦀\n2\t\\N\n'),
        rows('child (parent, name)', ''),
        rows('child (parent, name)', '1\tByron\n'),
      ]);
      const { rows: parents } = await transaction.query('SELECT id, name FROM parent ORDER BY id');
      expect(parents).toEqual([
        { id: 1, name: 'Äda\tLovelace 🦀' },
        { id: 2, name: null },
      ]);
    });
    await expect(stored()).resolves.toEqual([2, 1]);
  });

  it('are empty if no table has rows', async () => {
    await service.database.transaction((transaction) => transaction.copyTogether([rows('parent', '')]));
    await expect(stored()).resolves.toEqual([0, 0]);
  });

  it.each([
    ['first', ['1\tA\n1\tB\n', '1\tchild\n'], '23505'],
    ['last', ['1\tA\n2\tB\n', '1\t\\N\n'], '23502'],
  ])(
    'fail with the reason if the %s is refused, and the connection stays usable',
    async (_which, texts, code) => {
      const [parents = '', children = ''] = texts;
      await service.database.transaction(async (transaction) => {
        const refused = transaction.savepoint(() =>
          transaction.copyTogether([rows('parent', parents), rows('child', children)]),
        );
        await expect(refused).rejects.toMatchObject({ code });
        await transaction.copyTogether([rows('parent', '7\tafter\n')]);
      });
      await expect(stored()).resolves.toEqual([1, 0]);
    },
  );

  it('drop even many rows after a refused one', async () => {
    const many = Array.from({ length: 200_000 }, (_, n) => `${n}\tsome words to fill the line\n`).join('');
    await service.database.transaction(async (transaction) => {
      const refused = transaction.savepoint(() =>
        transaction.copyTogether([rows('parent', `1\tA\n1\tB\n${many}`), rows('child', many)]),
      );
      await expect(refused).rejects.toMatchObject({ code: '23505' });
      await transaction.copyTogether([rows('parent', '7\tafter\n')]);
    });
    await expect(stored()).resolves.toEqual([1, 0]);
  });

  it('fail if the connection is lost meanwhile', async () => {
    const lost = service.database.transaction(async (transaction) => {
      await transaction.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
      await transaction.copyTogether([rows('parent', '1\tA\n')]);
    });
    await expect(lost).rejects.toThrow();
    await expect(stored()).resolves.toEqual([0, 0]);
  });
});

describe('statements that are asked for together', () => {
  let service: TestDatabaseService;

  beforeAll(async () => {
    service = await startDatabaseService();
    await service.database.query('CREATE TABLE step (n integer PRIMARY KEY, note text)');
  });
  afterAll(() => service.stop());
  beforeEach(() => service.database.query('TRUNCATE step'));

  const notes = async () => {
    const { rows: stored } = await service.database.query<{ note: string }>(
      'SELECT note FROM step ORDER BY n',
    );
    return stored.map(({ note }) => note);
  };
  const insert = 'INSERT INTO step (n, note) VALUES ($1, $2)';

  /** Break it: in `ClientTransaction.send`, send each of several statements by itself. */
  it('travel in one message, run in their order and answer each for itself', async () => {
    const query = jest.spyOn(Client.prototype, 'query');
    const [first, none, counted, changed] = await service.database.transaction(async (transaction) => {
      query.mockClear();
      const answers = await Promise.all([
        transaction.query<{ n: number; at: Date }>('SELECT $1::bigint AS n, now() AS at', [7]),
        transaction.query(insert, [1, 'one']),
        transaction.query<{ count: number }>('SELECT count(*) AS count FROM step'),
        transaction.query('UPDATE step SET note = $1', ['changed']),
      ]);
      expect(query).toHaveBeenCalledTimes(1);
      return answers;
    });
    query.mockRestore();
    expect(first.rows).toEqual([{ n: 7, at: expect.any(Date) }]);
    expect([none.rows, none.rowCount, counted.rows, changed.rowCount]).toEqual([[], 1, [{ count: 1 }], 1]);
    await expect(notes()).resolves.toEqual(['changed']);
  });

  /** Break it: in `StatementsMessage.submit`, let each statement end its message, or forget `failure`. */
  it.each<[string, unknown[], object]>([
    ['PostgreSQL refuses', [1, 'again'], { code: '23505' }],
    ['cannot be sent', [2, { toPostgres: () => fail() }], { message: 'unsendable' }],
  ])('all fail if one of them %s, and nothing of them remains', async (_which, values, reason) => {
    await service.database.transaction(async (transaction) => {
      await transaction.query(insert, [0, 'before']);
      const failed = transaction.savepoint(() =>
        Promise.all([
          transaction.query(insert, [1, 'one']),
          transaction.query(insert, values),
          transaction.query(insert, [3, 'three']),
        ]),
      );
      await expect(failed).rejects.toMatchObject(reason);
      await transaction.query(insert, [9, 'after']);
    });
    await expect(notes()).resolves.toEqual(['before', 'after']);
  });

  it('fail if the connection is lost meanwhile', async () => {
    const lost = service.database.transaction((transaction) =>
      Promise.all([
        transaction.query(insert, [1, 'one']),
        transaction.query('SELECT pg_terminate_backend(pg_backend_pid())'),
        transaction.query(insert, [2, 'two']),
      ]),
    );
    await expect(lost).rejects.toThrow();
    await expect(notes()).resolves.toEqual([]);
  });

  /** Break it: in `PgMessage.submit`, write only the message itself; in `end`, forget `earlierFailure`. */
  it('travel with rows, and fail with the reason of the first that is refused', async () => {
    const send = Object.getOwnPropertyDescriptor(Client.prototype, 'query')?.value as (
      ...args: unknown[]
    ) => unknown;
    let sent: (boolean | undefined)[] = [];
    const query = jest.spyOn(Client.prototype, 'query').mockImplementation(function (
      this: Client,
      ...args: unknown[]
    ) {
      sent.push((args[0] as Partial<PgMessage>).isFollower);
      return send.apply(this, args);
    });
    const row = (n: number) => ({ into: 'step (n, note)', rows: Buffer.from(`${n}\trow\n`) });
    const count = 'SELECT count(*) AS count FROM step';
    await service.database.transaction(async (transaction) => {
      await transaction.startedAt();
      sent = [];
      const answers = await Promise.all([
        transaction.query(insert, [1, 'one']),
        transaction.copyTogether([row(2)]),
        transaction.query<{ count: number }>(count),
      ]);
      expect(sent).toEqual([false, true, true]);
      expect(answers[2].rows).toEqual([{ count: 2 }]);

      const refused = transaction.savepoint(() =>
        Promise.allSettled([
          transaction.copyTogether([row(1)]),
          transaction.query(count),
          transaction.copyTogether([row(3)]),
        ]).then((settled) => Promise.reject(Object.assign(new Error('refused'), { settled }))),
      );
      const reason = { status: 'rejected', reason: expect.objectContaining({ code: '23505' }) };
      await expect(refused).rejects.toMatchObject({ settled: [reason, reason, reason] });
    });
    query.mockRestore();
    await expect(notes()).resolves.toEqual(['one', 'row']);
  });

  /** Break it: in `PgTransaction.ready`, always wait for `settled`. */
  it('can be sent together with COMMIT', async () => {
    const query = jest.spyOn(Client.prototype, 'query');
    await service.database.transaction(async (transaction) => {
      await transaction.query(insert, [1, 'one']);
      transaction.withCommit(() => transaction.query(insert, [2, 'two']));
      query.mockClear();
    });
    expect(query).toHaveBeenCalledTimes(1);
    query.mockRestore();
    await expect(notes()).resolves.toEqual(['one', 'two']);
  });

  /** Break it: in `StatementsMessage.write`, go on after a statement that cannot be sent; in `commit`, ignore `last`. */
  it.each<[string, unknown[], object]>([
    ['PostgreSQL refuses', [1, 'again'], { code: '23505' }],
    ['cannot be sent', [2, { toPostgres: () => fail() }], { message: 'unsendable' }],
  ])('commit nothing if one that goes with COMMIT %s', async (_which, values, reason) => {
    const refused = service.database.transaction(async (transaction) => {
      await transaction.query(insert, [1, 'one']);
      transaction.withCommit(() => transaction.query(insert, values));
    });
    await expect(refused).rejects.toMatchObject(reason);
    await expect(notes()).resolves.toEqual([]);
  });

  /** Break it: in `PgTransaction.commit`, do not look at the answer to COMMIT. */
  it('commit nothing if the program ignores the failure of one', async () => {
    const ignored = service.database.transaction(async (transaction) => {
      await transaction.query(insert, [1, 'one']);
      await transaction.query(insert, [1, 'again']).catch(() => undefined);
    });
    await expect(ignored).rejects.toThrow(RolledBackError);
    await expect(notes()).resolves.toEqual([]);
  });

  /** Break it: in `DatabaseService`, roll back without waiting for `settled`. */
  it('that still wait when the transaction fails are undone with it', async () => {
    const failed = service.database.transaction(async (transaction) => {
      const sent = transaction.query('SELECT pg_sleep(0.05)');
      await Promise.resolve();
      transaction.query(insert, [1, 'waits']).catch(() => undefined);
      await Promise.resolve();
      sent.catch(() => undefined);
      throw new Error('something else failed');
    });
    await expect(failed).rejects.toThrow('something else failed');
    await service.database.query('SELECT pg_sleep(0.2)');
    await expect(notes()).resolves.toEqual([]);
  });

  const fail = (): never => {
    throw new Error('unsendable');
  };
});
