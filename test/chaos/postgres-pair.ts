import { eventually } from '../support/eventually.js';
import { migratedDatabase, POSTGRES_BIN, PostgresNode } from '../ha/support/postgres-nodes.js';

export const HAS_POSTGRES = POSTGRES_BIN !== undefined;

/** Nobody else is asked to confirm a commit, so a commit waits while there is no standby. */
const STANDBY = 'standby';
const JOINS_WITHIN_MS = 120_000;

/** A primary and its synchronous standby. When the primary is lost, the standby takes over and gets a standby of its own. */
export class PostgresPair {
  private standby: PostgresNode | undefined;

  private constructor(
    private primary: PostgresNode,
    private readonly database: string,
  ) {}

  static async open(): Promise<PostgresPair> {
    const primary = await PostgresNode.primary(['max_connections=200']);
    const { name } = await migratedDatabase((database) => primary.urlOf(database));
    const pair = new PostgresPair(primary, name);
    await primary.ask(`ALTER SYSTEM SET synchronous_standby_names = '${STANDBY}'`);
    await primary.ask('SELECT pg_reload_conf()');
    await pair.addStandby();
    return pair;
  }

  /** The database on the present primary. */
  get url(): string {
    return this.primary.urlOf(this.database);
  }

  /** The primary ends at once and recovers from its log. */
  crash(): Promise<void> {
    return this.primary.crash();
  }

  /** Waits until a fail-over would lose nothing that was committed. */
  async canFailOver(): Promise<void> {
    await eventually(
      async () => {
        const [row] = await this.primary
          .ask<{ state: string }>('SELECT sync_state AS state FROM pg_stat_replication')
          .catch(() => []);
        return row?.state === 'sync';
      },
      'the standby to be synchronous',
      JOINS_WITHIN_MS,
    );
  }

  /** Kills the primary with all of its processes, as when its machine is gone, and promotes the standby. */
  async failOver(): Promise<void> {
    if (this.standby === undefined) throw new Error('there is no standby');
    await this.primary.close();
    this.primary = this.standby;
    this.standby = undefined;
    await this.primary.promote();
  }

  /** Copies the primary while it works. Until the copy follows it, no commit returns. */
  async addStandby(): Promise<void> {
    this.standby = await this.primary.replica(STANDBY);
    await this.canFailOver();
  }

  async close(): Promise<void> {
    await this.standby?.close();
    await this.primary.close();
  }
}
