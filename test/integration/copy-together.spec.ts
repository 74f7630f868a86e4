import type { CopyInput } from '../../src/platform/database/copy-rows.js';
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

  const rows = (into: string, text: string): CopyInput => ({ into, text: Buffer.from(text) });
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
