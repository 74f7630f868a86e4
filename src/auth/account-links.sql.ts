import type { Sql } from '../platform/database/database.service.js';

/*
 * Table account_link: the links by which a user sets a password without knowing the old one.
 *
 *   stored (token_hash NULL) -> mailed (token_hash) -> used or replaced: deleted
 *
 * The token is made while the mail is written and exists nowhere else. A mail that is sent again has another token.
 */

export type LinkPurpose = 'invitation' | 'reset';

/** How long a link works, in hours. */
export const LINK_HOURS: Readonly<Record<LinkPurpose, number>> = { invitation: 7 * 24, reset: 1 };

/** Replaces the earlier links of the user. Returns the id. */
export async function insertLink(sql: Sql, userId: number, purpose: LinkPurpose): Promise<number> {
  await deleteLinks(sql, userId);
  const { rows } = await sql.query<{ id: number }>(
    `INSERT INTO account_link (user_id, purpose, expires_at)
     VALUES ($1, $2, now() + $3 * interval '1 hour') RETURNING account_link_id AS id`,
    [userId, purpose, LINK_HOURS[purpose]],
  );
  return rows[0]?.id ?? 0;
}

/** Also takes back the mails that have not been sent yet. */
export async function deleteLinks(sql: Sql, userId: number): Promise<void> {
  await sql.query('DELETE FROM account_link WHERE user_id = $1', [userId]);
}

/** Deletes links that no longer work, in one step; call it again while it returns the limit. */
export async function deleteExpiredLinks(sql: Sql, limit: number): Promise<number> {
  const { rowCount } = await sql.query(
    `DELETE FROM account_link WHERE account_link_id IN (
       SELECT account_link_id FROM account_link WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)`,
    [limit],
  );
  return rowCount;
}

/** Gives the link its token. Returns its purpose; `undefined` if the link was replaced or has expired. */
export async function issueToken(sql: Sql, id: number, tokenHash: Buffer): Promise<LinkPurpose | undefined> {
  const { rows } = await sql.query<{ purpose: LinkPurpose }>(
    `UPDATE account_link SET token_hash = $2 WHERE account_link_id = $1 AND expires_at > now() RETURNING purpose`,
    [id, tokenHash],
  );
  return rows[0]?.purpose;
}

export interface LinkedUser {
  userId: number;
  email: string;
  purpose: LinkPurpose;
}

const WORKS = `l.token_hash = $1 AND l.expires_at > now() AND u.disabled_at IS NULL AND u.oidc_subject IS NULL`;

/** `undefined` for a link that does not work: unknown, used, replaced or expired, or its user is disabled. */
export async function selectLink(sql: Sql, tokenHash: Buffer): Promise<LinkedUser | undefined> {
  const { rows } = await sql.query<LinkedUser>(
    `SELECT u.user_id AS "userId", u.email, l.purpose
     FROM account_link l JOIN app_user u USING (user_id) WHERE ${WORKS}`,
    [tokenHash],
  );
  return rows[0];
}

/** Uses the link up. Of several uses at once, only one gets the user. */
export async function useLink(sql: Sql, tokenHash: Buffer): Promise<LinkedUser | undefined> {
  const { rows } = await sql.query<LinkedUser>(
    `DELETE FROM account_link l USING app_user u WHERE u.user_id = l.user_id AND ${WORKS}
     RETURNING u.user_id AS "userId", u.email, l.purpose`,
    [tokenHash],
  );
  return rows[0];
}
