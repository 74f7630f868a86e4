import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { Sql } from '../platform/database/transaction.js';
import { hashSessionId, IDLE_HOURS, LONGEST_HOURS, newSessionId, sentSessionId } from './browser-session.js';
import { type Principal, userPrincipal, type UserRole } from './principal.js';

/** SQL: whether the session `s` has not ended by itself. */
const SESSION_IS_ALIVE = `s.created_at > now() - interval '${LONGEST_HOURS} hours'
  AND s.last_seen_at > now() - interval '${IDLE_HOURS} hours'`;

/** Deletes sessions that have ended by themselves. A step; ask again while it answers the limit. */
export async function deleteEndedSessions(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM user_session WHERE session_hash IN (
       SELECT s.session_hash FROM user_session s WHERE NOT (${SESSION_IS_ALIVE}) LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount;
}

/** Signs a person out everywhere, or everywhere but in the session that is kept. Answers how many sessions ended. */
export async function endSessions(sql: Sql, userId: number, kept: Buffer | null = null): Promise<number> {
  const { rowCount } = await sql.query(
    'DELETE FROM user_session WHERE user_id = $1 AND session_hash IS DISTINCT FROM $2',
    [userId, kept],
  );
  return rowCount;
}

interface FoundSession {
  sessionHash: Buffer;
  userId: number;
  email: string;
  role: UserRole;
  useIsStale: boolean;
}

/**
 * Who is signed in, in PostgreSQL: a wiped Redis signs nobody out. One indexed query tells session and user together,
 * and there is no cache: whoever is disabled, or signed out elsewhere, is out with the very next request, in every process.
 */
@Injectable()
export class SessionsService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(SessionsService.name);
  private readonly useWrites = new Set<Promise<void>>();

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** `null` without a session, or with one that has ended; without a cookie nothing is asked of the database. */
  async principalOf(request: Request): Promise<Principal | null> {
    const hash = this.sentHash(request);
    if (hash === null) return null;
    const { rows } = await this.database.query<FoundSession>(FIND, [hash]);
    const [found] = rows;
    if (found === undefined) return null;
    if (found.useIsStale) this.noteUse(hash);
    return userPrincipal(found);
  }

  /** A new session under a new id, whatever id the browser came with: an id planted before is worth nothing after. */
  async begin(sql: Sql, userId: number): Promise<string> {
    const id = newSessionId();
    await sql.query('INSERT INTO user_session (session_hash, user_id) VALUES ($1, $2)', [
      hashSessionId(id, this.config.sessionSecret),
      userId,
    ]);
    return id;
  }

  /** Ends the session the request carries, if any. */
  async end(sql: Sql, request: Request): Promise<void> {
    const hash = this.sentHash(request);
    if (hash !== null) await sql.query('DELETE FROM user_session WHERE session_hash = $1', [hash]);
  }

  private sentHash(request: Request): Buffer | null {
    const id = sentSessionId(request, this.config);
    return id === undefined ? null : hashSessionId(id, this.config.sessionSecret);
  }

  /** Not awaited by the request it belongs to, and at most once a minute: being used must not cost. */
  private noteUse(hash: Buffer): void {
    const write = this.database.query(NOTE_USE, [hash]).then(
      () => undefined,
      (error: unknown) => this.logger.warn(`The use of a session was not noted: ${String(error)}`),
    );
    this.useWrites.add(write);
    void write.finally(() => this.useWrites.delete(write));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.useWrites);
  }
}

const FIND = `
  SELECT s.session_hash AS "sessionHash", u.user_id AS "userId", u.email, u.role,
    s.last_seen_at < now() - interval '1 minute' AS "useIsStale"
  FROM user_session s JOIN app_user u USING (user_id)
  WHERE s.session_hash = $1 AND ${SESSION_IS_ALIVE} AND u.disabled_at IS NULL`;

// The condition again: another request may have written it meanwhile.
const NOTE_USE = `
  UPDATE user_session SET last_seen_at = now()
  WHERE session_hash = $1 AND last_seen_at < now() - interval '1 minute'`;
