import { Client } from 'pg';
import { examine } from '../../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../../src/operations/doctor/invariants.js';
import { eventually } from '../../support/eventually.js';
import { OF_WHAT_WAS_ACCEPTED } from './invariants.js';

/** A batch that was answered 202, and what must become of it. */
export interface Accepted {
  id: number;
  total: number;
  invalid: number;
  created: number;
  updated: number;
  /** Mails that are owed for it. */
  mails: number;
}

const LIST_AT_MOST = 3;

/** Looks at the database beside the program, on a connection of its own, and writes down what must never happen. */
export class Observer {
  private constructor(readonly client: Client) {}

  /** Prepares the database to note what must never happen, and looks at it. */
  static async watch(databaseUrl: string): Promise<Observer> {
    const observer = await Observer.connect(databaseUrl);
    await observer.client.query(WITNESSES);
    return observer;
  }

  /** Looks at a database that another observer has prepared. */
  static async connect(databaseUrl: string): Promise<Observer> {
    const client = new Client({ connectionString: databaseUrl, application_name: 'observer' });
    // PostgreSQL may end: the next statement reports it.
    client.on('error', () => undefined);
    await client.connect();
    return new Observer(client);
  }

  async rows<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(sql, values)).rows;
  }

  async number(sql: string, values: unknown[] = []): Promise<number> {
    const [row] = await this.rows<Record<string, unknown>>(sql, values);
    return Number(Object.values(row ?? {})[0]);
  }

  /** Waits until every record of these batches has its outcome and the batches have ended. */
  async allEnded(batches: readonly Pick<Accepted, 'id'>[], boundMs = 60_000): Promise<void> {
    const ids = batches.map(({ id }) => id);
    await eventually(
      async () => {
        const open = await this.number(
          `SELECT count(*) FROM import_queue_batch
            WHERE workflow_import_queue_batch_id = ANY ($1) AND finished_at IS NULL`,
          [ids],
        );
        return open === 0;
      },
      `${ids.length} batches to end`,
      boundMs,
    );
  }

  /** Records that have an outcome, over all batches: how far a run is. */
  done(): Promise<number> {
    return this.number(
      `SELECT coalesce(sum(succeeded_count + failed_count + canceled_count), 0) FROM import_queue_chunk`,
    );
  }

  /** Everything that is not as it must be once all accepted batches have ended; empty when all is well. */
  async problems(accepted: readonly Accepted[]): Promise<string[]> {
    await this.client.query('TRUNCATE witness.accepted');
    await this.client.query(
      `INSERT INTO witness.accepted SELECT * FROM jsonb_populate_recordset(NULL::witness.accepted, $1)`,
      [JSON.stringify(accepted)],
    );
    const found: string[] = [];
    for (const { invariant, count, rows } of await examine(this.client, INVARIANTS)) {
      found.push(`NOT: ${invariant.sentence}: ${JSON.stringify(rows.slice(0, LIST_AT_MOST))} (${count})`);
    }
    for (const [sentence, violations] of Object.entries(OF_WHAT_WAS_ACCEPTED)) {
      const rows = await this.rows(violations);
      if (rows.length === 0) continue;
      found.push(`NOT: ${sentence}: ${JSON.stringify(rows.slice(0, LIST_AT_MOST))} (${rows.length})`);
    }
    return found;
  }

  /** The minute for which a sender that died keeps its mail from others is over. */
  async passClaimTime(): Promise<void> {
    await this.rows(`UPDATE outbox SET locked_until = now() WHERE status = 'sending'`);
  }

  async end(): Promise<void> {
    await this.client.end();
  }
}

/** What the tables themselves do not remember: every change of a status, and every outcome that was not the first. */
const WITNESSES = `
  CREATE SCHEMA witness;
  CREATE TABLE witness.accepted (
    id bigint, total integer, invalid integer, created integer, updated integer, mails integer
  );
  CREATE TABLE witness.status_change (batch bigint, before text, after text);
  CREATE TABLE witness.second_outcome (batch bigint, line integer, before text, after text);

  CREATE FUNCTION witness.see_status() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO witness.status_change VALUES (new.workflow_import_queue_batch_id, old.status, new.status);
    RETURN NULL;
  END $$;
  CREATE TRIGGER see_status AFTER UPDATE OF status ON import_queue_batch
    FOR EACH ROW
    -- An end that is written over the same end is a second one, too.
    WHEN (old.status IS DISTINCT FROM new.status OR old.finished_at IS NOT NULL)
    EXECUTE FUNCTION witness.see_status();

  CREATE FUNCTION witness.see_outcome() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO witness.second_outcome
    VALUES (old.workflow_import_queue_batch_id, old.line_number, old.outcome, new.outcome);
    RETURN NULL;
  END $$;
  -- The primary key prevents a second insert.
  CREATE TRIGGER see_outcome AFTER UPDATE OR DELETE ON import_queue_outcome
    FOR EACH ROW EXECUTE FUNCTION witness.see_outcome()`;
