import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../../dev/embedded/child-server.js';
import { eventually } from '../../support/eventually.js';

export const HAS_SENTINEL = spawnSync('redis-sentinel', ['--version']).error === undefined;
export const HAS_REDIS_CLI = spawnSync('redis-cli', ['--version']).error === undefined;

/** The servers of one test, which end with it. */
export class RedisNodes {
  private readonly nodes = new Map<number, ChildProcess>();

  private constructor(readonly directory: string) {}

  static async open(): Promise<RedisNodes> {
    return new RedisNodes(await mkdtemp(join(tmpdir(), 'wiq-ha-')));
  }

  /** Starts a server with these lines of configuration, and answers its port. */
  async start(program: 'redis-server' | 'redis-sentinel', lines: readonly string[]): Promise<number> {
    // The bus of a cluster has its port 10,000 above.
    let port = await freePort();
    while (port > 55_000) port = await freePort();
    const file = join(this.directory, `${port}.conf`);
    const own = [`port ${port}`, 'bind 127.0.0.1', `dir ${this.directory}`, 'daemonize no'];
    await writeFile(file, [...own, ...lines, ''].join('\n'));
    const node = spawn(program, [file], { stdio: 'ignore' });
    this.nodes.set(port, node);
    await eventually(() => asked(port, (client) => client.ping()), `${program} on ${port} to answer`);
    return port;
  }

  /** kill -9, as when its machine is gone. */
  async kill(port: number): Promise<void> {
    const node = this.nodes.get(port);
    if (node === undefined || node.exitCode !== null) return;
    node.kill('SIGKILL');
    await once(node, 'exit');
    this.nodes.delete(port);
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.keys()].map((port) => this.kill(port)));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Asks one server on a connection of its own; `undefined` if it does not answer. */
export async function asked<Answer>(
  port: number,
  question: (client: Redis) => Promise<Answer>,
): Promise<Answer | undefined> {
  const client = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    commandTimeout: 2000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await question(client);
  } catch {
    return undefined;
  } finally {
    client.disconnect();
  }
}

/** A master, a replica, and three Sentinels that watch them and name the replica within seconds. */
export async function startSentinels(nodes: RedisNodes) {
  const master = await nodes.start('redis-server', ['appendonly yes']);
  const replica = await nodes.start('redis-server', ['appendonly yes', `replicaof 127.0.0.1 ${master}`]);
  const linked = (info: string | undefined) => info?.includes('master_link_status:up') === true;
  await eventually(
    async () => linked(await asked(replica, (client) => client.info('replication'))),
    'the replica to follow',
  );
  const sentinels: number[] = [];
  for (let n = 0; n < 3; n++) {
    sentinels.push(
      await nodes.start('redis-sentinel', [
        `sentinel monitor main 127.0.0.1 ${master} 2`,
        'sentinel down-after-milliseconds main 1000',
        'sentinel failover-timeout main 5000',
      ]),
    );
  }
  await eventually(async () => {
    const known = await asked(sentinels[0]!, (client) => client.call('SENTINEL', 'REPLICAS', 'main'));
    const others = await asked(sentinels[0]!, (client) => client.call('SENTINEL', 'SENTINELS', 'main'));
    return (known as unknown[] | undefined)?.length === 1 && (others as unknown[] | undefined)?.length === 2;
  }, 'the Sentinels to know all servers');
  const url = `redis+sentinel://${sentinels.map((port) => `127.0.0.1:${port}`).join(',')}/main`;
  return { url, master, replica };
}

/** Three masters, each with a replica. Answers the master that holds the key. */
export async function startCluster(nodes: RedisNodes, key: string) {
  const ports: number[] = [];
  for (let n = 0; n < 6; n++) {
    ports.push(
      await nodes.start('redis-server', [
        'appendonly yes',
        `appenddirname node-${n}`,
        'cluster-enabled yes',
        `cluster-config-file node-${n}.conf`,
        'cluster-node-timeout 2000',
      ]),
    );
  }
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'];
  const { status, stdout, stderr } = spawnSync('redis-cli', create, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the cluster was not made:\n${stdout}${stderr}`);
  const isComplete = async (port: number) => {
    const info = await asked(port, (client) => client.call('CLUSTER', 'INFO'));
    const list = await asked(port, (client) => client.call('CLUSTER', 'NODES'));
    return String(info).includes('cluster_state:ok') && String(list).match(/slave/g)?.length === 3;
  };
  await eventually(
    async () => (await Promise.all(ports.map(isComplete))).every(Boolean),
    'the cluster to be complete',
    60_000,
  );
  const holder = async () => {
    for (const port of ports) {
      // A node that does not hold the key answers MOVED.
      const isMaster = (await asked(port, (client) => client.role()))?.[0] === 'master';
      if (isMaster && (await asked(port, (client) => client.exists(key))) !== undefined) return port;
    }
    throw new Error(`no master holds ${key}`);
  };
  return { url: `redis+cluster://${addresses.slice(0, 3).join(',')}`, holder };
}
