import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { sessionCookieOf, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { newMembers } from '../crash/support/members.js';
import { Site } from '../crash/support/site.js';
import { migratedDatabase, POSTGRES_BIN, PostgresNode } from './support/postgres-nodes.js';

jest.setTimeout(240_000);

const describeServers = POSTGRES_BIN === undefined ? describe.skip : describe;

describeServers('with a replica of PostgreSQL (DATABASE_READ_URL)', () => {
  let primary: PostgresNode;
  let replica: PostgresNode;
  let site: Site;
  let client: ImportClient;
  let cookie: string;

  beforeAll(async () => {
    primary = await PostgresNode.primary();
    const database = await migratedDatabase((name) => primary.urlOf(name));
    replica = await primary.replica('reads');
    site = await Site.open({ DATABASE_READ_URL: replica.urlOf(database.name) }, database);
    client = await site.client(site.start('api'));
    await site.start('worker').ready();
    await site.send(client, 10_000);
    expect(await site.problems()).toEqual([]);
    await storeUser(site, 'administrator');
    const signedIn = await submit(client, '/login', {
      email: 'administrator@example.org',
      password: TEST_PASSWORD,
    });
    cookie = sessionCookieOf(signedIn)!;
  });
  afterAll(async () => {
    await site?.close();
    await replica?.close();
    await primary?.close();
  });

  /** Statements that each server has answered for readers. */
  const answered = async () => {
    const { text } = await read('/metrics');
    const of = (server: string) =>
      Number(new RegExp(`reads_total\\{server="${server}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
    return { replica: of('replica'), primary: of('primary') };
  };
  const read = async (path: string) => {
    const response = await fetch(client.url + path, {
      // Else the page of a sign-in that is refused would count as an answer.
      redirect: 'manual',
      headers:
        path.startsWith('/API') || path === '/metrics'
          ? { authorization: 'apikey test-key-with-every-permission' }
          : { cookie },
    });
    return { status: response.status, text: await response.text() };
  };
  const batches = '/API/WorkflowImportQueue/Batches';
  const id = () => site.accepted[0]!.id;
  const pages = () => [
    '/imports',
    `/imports/${id()}`,
    batches,
    `${batches}/${id()}`,
    `${batches}/${id()}/Records?limit=200`,
    `${batches}/${id()}/Results?format=csv`,
    '/API/Workflows',
  ];
  /** Sends a batch and reads it at once, as its sender does. */
  const readOwn = async () => {
    const sent = newMembers(20);
    const accepted = await site.send(client, sent);
    const { status, body } = await client.get(`${batches}/${accepted.id}`);
    return { status, total: body.recordCounts?.total as unknown };
  };
  const untilUsed = async () => {
    const before = await answered();
    await eventually(
      async () => {
        await read(batches);
        return (await answered()).replica > before.replica + 5;
      },
      'the replica to be used',
      30_000,
    );
  };

  /** Break it: leave `ReplicaInterceptor` out, or let `ReadReplica.query` always ask the primary. */
  it('answers pages, lists, downloads and metrics from it', async () => {
    await untilUsed();
    for (const path of pages()) {
      const before = await answered();
      for (let time = 0; time < 3; time += 1) expect((await read(path)).status).toBe(200);
      const after = await answered();
      expect({ path, byReplica: after.replica >= before.replica + 3, primary: after.primary }).toEqual({
        path,
        byReplica: true,
        primary: before.primary,
      });
    }
  });

  /** Break it: in `ReadReplica.catchesUp`, answer true without asking; then what was just sent is 404. */
  it('shows a caller what it has just written, however far the replica is behind', async () => {
    for (let round = 0; round < 20; round += 1) expect(await readOwn()).toEqual({ status: 200, total: 20 });
    await replica.ask('SELECT pg_wal_replay_pause()');
    const before = await answered();
    for (let round = 0; round < 5; round += 1) expect(await readOwn()).toEqual({ status: 200, total: 20 });
    expect((await answered()).primary).toBeGreaterThan(before.primary);
    await replica.ask('SELECT pg_wal_replay_resume()');
    await untilUsed();
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: in `ReadReplica.query`, rethrow the error of the replica. */
  it.each(['killed', 'frozen'] as const)(
    'serves every page while it is %s, and uses it again afterwards',
    async (fate) => {
      await untilUsed();
      const statuses = new Map<number, number>();
      let isOver = false;
      const reader = async () => {
        for (let turn = 0; !isOver; turn += 1) {
          const { status } = await read(pages()[turn % pages().length]!);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      const readers = [reader(), reader(), reader()];
      const some = async (count: number) => {
        const before = statuses.get(200) ?? 0;
        await eventually(() => (statuses.get(200) ?? 0) > before + count, 'pages to be served', 60_000);
      };
      await some(20);
      if (fate === 'killed') await replica.kill();
      else replica.signal('SIGSTOP');
      await some(60);
      if (fate === 'killed') await replica.up();
      else replica.signal('SIGCONT');
      await some(20);
      isOver = true;
      await Promise.all(readers);
      expect([...statuses.keys()]).toEqual([200]);
      process.stdout.write(`replica ${fate}: ${statuses.get(200)} pages, all 200\n`);
      await untilUsed();
    },
  );
});
