import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../dev/embedded/child-server.js';
import { eventually } from '../../support/eventually.js';
import { childrenOf, openDirectory, POSTGRES_BIN, start } from './postgres-nodes.js';

const HAS = (program: string) => spawnSync(program, ['--version']).error === undefined;
export const HAS_PATRONI =
  POSTGRES_BIN !== undefined &&
  HAS('patroni') &&
  HAS('etcd') &&
  spawnSync('haproxy', ['-v']).error === undefined;

interface Member {
  name: string;
  port: number;
  restPort: number;
  directory: string;
  patroni: ChildProcess;
}

/** Three PostgreSQL servers that Patroni runs, etcd, and HAProxy, which leads to the primary. */
export class PatroniCluster {
  private readonly members: Member[] = [];
  private readonly others: ChildProcess[] = [];

  private constructor(
    private readonly directory: string,
    readonly port: number,
    private readonly etcdPort: number,
  ) {}

  static async open(): Promise<PatroniCluster> {
    const cluster = new PatroniCluster(openDirectory(), await freePort(), await freePort());
    try {
      await cluster.startEtcd();
      for (const name of ['a', 'b', 'c']) {
        await cluster.addMember(name);
        // The first initializes the cluster; the others copy it.
        if (name === 'a') await cluster.primary();
      }
      await cluster.startProxy();
      await cluster.isWhole();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** The member that holds the leader key and takes writes, once there is one. */
  primary(other?: string): Promise<string> {
    return eventually(
      async () => {
        for (const { name, restPort } of this.members) {
          if (name !== other && (await statusOf(restPort, '/primary')) === 200) return name;
        }
        return null;
      },
      'Patroni to have a primary',
      120_000,
    );
  }

  /** Waits until all three work and the primary waits for a synchronous standby before it answers COMMIT. */
  async isWhole(): Promise<void> {
    await eventually(
      async () => {
        const answers = await Promise.all(
          this.members.flatMap(({ restPort }) => [
            statusOf(restPort, '/health'),
            statusOf(restPort, '/synchronous').then((status) => (status === 200 ? 'synchronous' : '')),
          ]),
        );
        return answers.filter((each) => each === 200).length === 3 && answers.includes('synchronous');
      },
      'three members, one of them a synchronous standby',
      180_000,
    );
  }

  /** kill -9 of Patroni and of its PostgreSQL, as when the machine is gone. */
  async killMember(name: string): Promise<void> {
    const { patroni, directory } = this.member(name);
    const gone = once(patroni, 'exit');
    patroni.kill('SIGKILL');
    killPostgres(join(directory, 'data'));
    await gone;
  }

  /** Its machine is back, with the files it had. */
  restartMember(name: string): void {
    const member = this.member(name);
    member.patroni = start('patroni', [join(member.directory, 'patroni.yml')]);
  }

  async close(): Promise<void> {
    for (const { patroni, directory } of this.members) {
      patroni.kill('SIGKILL');
      killPostgres(join(directory, 'data'));
      rmSync(directory, { recursive: true, force: true });
    }
    for (const other of this.others) other.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private member(name: string): Member {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  private async startEtcd(): Promise<void> {
    const peer = `http://127.0.0.1:${await freePort()}`;
    const url = `http://127.0.0.1:${this.etcdPort}`;
    this.others.push(
      start('etcd', [
        ...['--name', 'etcd', '--data-dir', join(this.directory, 'etcd'), '--unsafe-no-fsync'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...[
          '--listen-peer-urls',
          peer,
          '--initial-advertise-peer-urls',
          peer,
          '--initial-cluster',
          `etcd=${peer}`,
        ],
      ]),
    );
    await eventually(
      async () => (await statusOf(this.etcdPort, '/health')) === 200,
      'etcd to answer',
      60_000,
    );
  }

  private async addMember(name: string): Promise<void> {
    const directory = openDirectory();
    const [port, restPort] = [await freePort(), await freePort()];
    await writeFile(join(directory, 'patroni.yml'), this.settingsOf({ name, port, restPort, directory }));
    const patroni = start('patroni', [join(directory, 'patroni.yml')]);
    this.members.push({ name, port, restPort, directory, patroni });
  }

  /** JSON is YAML. */
  private settingsOf({ name, port, restPort, directory }: Omit<Member, 'patroni'>): string {
    // Never asked for on loopback, but initdb takes no empty one.
    const user = { username: 'postgres', password: 'of-the-test' };
    return JSON.stringify({
      scope: 'wiq',
      name,
      restapi: { listen: `127.0.0.1:${restPort}`, connect_address: `127.0.0.1:${restPort}` },
      etcd3: { host: `127.0.0.1:${this.etcdPort}` },
      bootstrap: {
        dcs: {
          ttl: 20,
          loop_wait: 2,
          retry_timeout: 5,
          maximum_lag_on_failover: 1_048_576,
          // An acknowledged COMMIT is on two servers, and only a server that has all of them is promoted.
          synchronous_mode: true,
          postgresql: {
            use_pg_rewind: true,
            parameters: { fsync: 'off', shared_buffers: '64MB', max_connections: 100, wal_log_hints: 'on' },
          },
        },
        initdb: [{ encoding: 'UTF8' }, 'data-checksums'],
      },
      postgresql: {
        listen: `127.0.0.1:${port}`,
        connect_address: `127.0.0.1:${port}`,
        data_dir: join(directory, 'data'),
        bin_dir: POSTGRES_BIN,
        remove_data_directory_on_rewind_failure: true,
        remove_data_directory_on_diverged_timelines: true,
        pgpass: join(directory, 'pgpass'),
        authentication: { superuser: user, replication: user, rewind: user },
        parameters: { unix_socket_directories: directory },
        pg_hba: [
          'local all all trust',
          'host all all 127.0.0.1/32 trust',
          'host replication all 127.0.0.1/32 trust',
        ],
      },
    });
  }

  private async startProxy(): Promise<void> {
    const servers = this.members.map(
      ({ name, port, restPort }) =>
        `  server ${name} 127.0.0.1:${port} maxconn 100 check port ${restPort} on-marked-down shutdown-sessions`,
    );
    const file = join(this.directory, 'haproxy.cfg');
    await writeFile(
      file,
      `defaults
  mode tcp
  timeout connect 4s
  timeout client 30m
  timeout server 30m
  timeout check 2s
listen primary
  bind 127.0.0.1:${this.port}
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 1s fall 2 rise 1
${servers.join('\n')}
`,
    );
    this.others.push(start('haproxy', ['-db', '-f', file]));
  }
}

async function statusOf(port: number, path: string): Promise<number> {
  try {
    return (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) })).status;
  } catch {
    return 0;
  }
}

function killPostgres(data: string): void {
  try {
    const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
    for (const each of [pid, ...childrenOf(pid).map((child) => child.pid)]) {
      try {
        process.kill(each, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  } catch {
    // It does not run.
  }
}
