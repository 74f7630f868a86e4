import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import {
  hashSessionId,
  IDLE_HOURS,
  LONGEST_HOURS,
  LONGEST_PROVIDER_HOURS,
  newSessionId,
  sentSessionId,
} from './browser-session.js';
import { type Principal, type SignInMethod, userPrincipal, type UserRole } from './principal.js';

/*
 * Table user_session. A row is a session: an insert begins it, a delete ends it. Sessions also end by age and idle time;
 * retention deletes those rows later.
 */

/** SQL condition: neither age nor idle time has ended the session `s`. */
const SESSION_IS_ALIVE = `s.created_at > now() - CASE s.method WHEN 'oidc' THEN interval '${LONGEST_PROVIDER_HOURS} hours'
                                                               ELSE interval '${LONGEST_HOURS} hours' END
  AND s.last_seen_at > now() - interval '${IDLE_HOURS} hours'`;

/** Deletes sessions that age or idle time has ended, in one step; call it again while it returns the limit. */
export async function deleteEndedSessions(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM user_session WHERE session_hash IN (
       SELECT s.session_hash FROM user_session s WHERE NOT (${SESSION_IS_ALIVE}) LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount;
}

/** Ends all sessions of a user except the kept one. Returns how many sessions ended. */
export async function endSessions(sql: Sql, userId: number, kept: Buffer | null = null): Promise<number> {
  const { rowCount } = await sql.query(
    'DELETE FROM user_session WHERE user_id = $1 AND session_hash IS DISTINCT FROM $2',
    [userId, kept],
  );
  return rowCount;
}

/** A session as its owner sees it. */
export interface OwnSession {
  /** A UUID. */
  id: string;
  userAgent: string | null;
  /** The client address of the last recorded use. */
  address: string | null;
  createdAt: Date;
  /** To the minute. */
  lastSeenAt: Date;
  /** The session of the request. */
  current: boolean;
}

/** The sessions of a user, last used first. */
export async function selectSessions(sql: Sql, userId: number, current: Buffer): Promise<OwnSession[]> {
  const { rows } = await sql.query<OwnSession>(
    `SELECT s.session_id AS id, s.user_agent AS "userAgent", s.address, s.created_at AS "createdAt",
       s.last_seen_at AS "lastSeenAt", s.session_hash = $2 AS current
     FROM user_session s WHERE s.user_id = $1 AND ${SESSION_IS_ALIVE}
     ORDER BY current DESC, s.last_seen_at DESC, s.session_id DESC`,
    [userId, current],
  );
  return rows;
}

/** Ends one session of the user. Returns false if it has ended already or belongs to another user. */
export async function endSession(sql: Sql, userId: number, id: string): Promise<boolean> {
  const { rowCount } = await sql.query('DELETE FROM user_session WHERE user_id = $1 AND session_id = $2', [
    userId,
    id,
  ]);
  return rowCount > 0;
}

/** Its user has just proved who they are. */
export async function confirmSession(sql: Sql, sessionHash: Buffer): Promise<void> {
  await sql.query('UPDATE user_session SET confirmed_at = now() WHERE session_hash = $1', [sessionHash]);
}

/** Like `confirmSession`, if the session belongs to this user of the identity provider. Returns whether it does. */
export async function confirmIdentity(
  sql: Sql,
  sessionHash: Buffer,
  { issuer, subject }: { issuer: string; subject: string },
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE user_session s SET confirmed_at = now() FROM app_user u
     WHERE s.session_hash = $1 AND u.user_id = s.user_id AND u.oidc_issuer = $2 AND u.oidc_subject = $3`,
    [sessionHash, issuer, subject],
  );
  return rowCount > 0;
}

const LONGEST_USER_AGENT = 500;

interface FoundSession {
  sessionHash: Buffer;
  userId: number;
  email: string;
  role: UserRole;
  importProcessIds: number[] | null;
  passwordIsTemporary: boolean;
  method: SignInMethod;
  confirmedSecondsAgo: number;
  useIsStale: boolean;
}

/**
 * Keeps sessions in PostgreSQL, so that losing Redis signs no one out. One indexed query reads session and user
 * together, without a cache: a user who is disabled or signed out elsewhere is refused at the next request, in every
 * process.
 * Why: ADR 12.
 */
@Injectable()
export class SessionsService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(SessionsService.name);
  private readonly useWrites = new Set<Promise<void>>();

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** `null` without a session or with one that has ended. Without a cookie this needs no query. */
  async principalOf(request: Request): Promise<Principal | null> {
    const hash = this.sentHash(request);
    if (hash === null) return null;
    const { rows } = await this.database.query<FoundSession>(FIND, [hash]);
    const [found] = rows;
    if (found === undefined) return null;
    if (found.method === 'password' && !this.config.localSignIn) return null;
    if (found.useIsStale) this.recordUse(hash, request);
    return userPrincipal(found);
  }

  /** Begins a session under a new id, whichever id the browser sent: an id that someone planted becomes worthless. */
  async begin(sql: Sql, userId: number, request: Request, method: SignInMethod): Promise<string> {
    const id = newSessionId();
    await sql.query(
      'INSERT INTO user_session (session_hash, user_id, address, user_agent, method) VALUES ($1, $2, $3, $4, $5)',
      [
        hashSessionId(id, this.config.sessionSecret),
        userId,
        request.ip ?? null,
        request.get('user-agent')?.slice(0, LONGEST_USER_AGENT) ?? null,
        method,
      ],
    );
    return id;
  }

  /** Ends the session of the request, if it has one. */
  async end(sql: Sql, request: Request): Promise<void> {
    const hash = this.sentHash(request);
    if (hash !== null) await sql.query('DELETE FROM user_session WHERE session_hash = $1', [hash]);
  }

  private sentHash(request: Request): Buffer | null {
    const id = sentSessionId(request, this.config);
    return id === undefined ? null : hashSessionId(id, this.config.sessionSecret);
  }

  /** At most once a minute per session, and the request does not wait for it: authentication must stay cheap. */
  private recordUse(hash: Buffer, { ip }: Request): void {
    const write = this.database.query(RECORD_USE, [hash, ip ?? null]).then(
      () => undefined,
      (error: unknown) => this.logger.warn(`The use of a session was not recorded: ${String(error)}`),
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
    u.import_process_ids AS "importProcessIds", u.password_is_temporary AS "passwordIsTemporary",
    s.method, extract(epoch FROM now() - s.confirmed_at)::float8 AS "confirmedSecondsAgo",
    s.last_seen_at < now() - interval '1 minute' AS "useIsStale"
  FROM user_session s JOIN app_user u USING (user_id)
  WHERE s.session_hash = $1 AND ${SESSION_IS_ALIVE} AND u.disabled_at IS NULL`;

// Repeats the condition, because another request may have recorded the use in between.
const RECORD_USE = `
  UPDATE user_session SET last_seen_at = now(), address = $2
  WHERE session_hash = $1 AND last_seen_at < now() - interval '1 minute'`;
