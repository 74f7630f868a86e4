import type { Sql } from '../platform/database/database.service.js';
import type { UserRole } from './principal.js';

/*
 * Table app_user. A user is never deleted, because batches name their creator:
 *
 *   enabled <-> disabled (disabled_at)
 *
 * At least one enabled administrator remains: changes that could take the last one away lock all of them first.
 */

/** A user as pages show it: never the password or its hash. */
export interface UserResource {
  id: number;
  email: string;
  role: UserRole;
  /** The only import processes the user may use; `null`: all. */
  importProcessIds: number[] | null;
  enabled: boolean;
  /** Signs in with the identity provider. */
  hasIdentity: boolean;
  /** Has not chosen a password yet. */
  isInvited: boolean;
  createdBy: string;
  createdAt: Date;
  lastSignedInAt: Date | null;
}

const SELECT = `
  SELECT user_id AS id, email, role, import_process_ids AS "importProcessIds", disabled_at IS NULL AS enabled,
    oidc_subject IS NOT NULL AS "hasIdentity",
    password_hash IS NULL AND oidc_subject IS NULL AS "isInvited", created_by AS "createdBy", created_at AS "createdAt",
    last_signed_in_at AS "lastSignedInAt"
  FROM app_user`;

export async function selectUsers(sql: Sql): Promise<UserResource[]> {
  return (await sql.query<UserResource>(`${SELECT} ORDER BY email`)).rows;
}

export async function selectUser(sql: Sql, id: number): Promise<UserResource | undefined> {
  return (await sql.query<UserResource>(`${SELECT} WHERE user_id = $1`, [id])).rows[0];
}

export interface NewUser {
  email: string;
  /** `null`: the user cannot sign in with a password. */
  passwordHash: string | null;
  role: UserRole;
  importProcessIds: readonly number[] | null;
  createdBy: string;
  /** Someone else set the password, so the user must change it. */
  passwordIsTemporary: boolean;
}

/** Returns the id. The address must be in lower case. */
export async function insertUser(sql: Sql, user: NewUser): Promise<number> {
  const { rows } = await sql.query<{ id: number }>(
    `INSERT INTO app_user (email, password_hash, role, import_process_ids, created_by, password_is_temporary)
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING user_id AS id`,
    [
      user.email,
      user.passwordHash,
      user.role,
      user.importProcessIds,
      user.createdBy,
      user.passwordIsTemporary,
    ],
  );
  return rows[0]?.id ?? 0;
}

export interface UserAccess {
  role: UserRole;
  importProcessIds: readonly number[] | null;
}

export async function updateAccess(sql: Sql, id: number, access: UserAccess): Promise<void> {
  await sql.query('UPDATE app_user SET role = $2, import_process_ids = $3 WHERE user_id = $1', [
    id,
    access.role,
    access.importProcessIds,
  ]);
}

export async function updateEnabled(sql: Sql, id: number, enabled: boolean): Promise<void> {
  await sql.query(
    'UPDATE app_user SET disabled_at = CASE WHEN $2::boolean THEN NULL ELSE now() END WHERE user_id = $1',
    [id, enabled],
  );
}

/** @param isTemporary someone else set it, so the user must change it */
export async function updatePassword(
  sql: Sql,
  id: number,
  passwordHash: string,
  isTemporary: boolean,
): Promise<void> {
  await sql.query('UPDATE app_user SET password_hash = $2, password_is_temporary = $3 WHERE user_id = $1', [
    id,
    passwordHash,
    isTemporary,
  ]);
}

/**
 * Locks the user and every administrator; returns the ids of the enabled administrators. Two administrators who remove
 * each other at the same time therefore take turns, and the second one is refused.
 */
export async function lockUserAndAdministrators(sql: Sql, id: number): Promise<number[]> {
  const { rows } = await sql.query<{ id: number }>(
    `SELECT user_id AS id FROM app_user WHERE role = 'administrator' AND disabled_at IS NULL
     ORDER BY user_id FOR UPDATE`,
  );
  await sql.query('SELECT 1 FROM app_user WHERE user_id = $1 FOR UPDATE', [id]);
  return rows.map((row) => row.id);
}

export interface StoredPassword {
  id: number;
  passwordHash: string;
}

/** For a sign-in: `undefined` when the user does not exist, is disabled or has no password. */
export async function selectPassword(sql: Sql, email: string): Promise<StoredPassword | undefined> {
  const { rows } = await sql.query<StoredPassword>(
    `SELECT user_id AS id, password_hash AS "passwordHash" FROM app_user
     WHERE email = $1 AND disabled_at IS NULL AND password_hash IS NOT NULL`,
    [email],
  );
  return rows[0];
}

/** A user as a sign-in with the identity provider finds it. */
export interface ProviderUser {
  id: number;
  role: UserRole;
  enabled: boolean;
  email: string;
  /** Both `null`: a user who has a password here. */
  issuer: string | null;
  subject: string | null;
}

interface IdentityKey {
  issuer: string;
  subject: string;
}

/** Locks the user with this identity, or else the user with this address. */
export async function lockUserByIdentity(
  sql: Sql,
  { issuer, subject, email }: IdentityKey & { email: string | null },
): Promise<ProviderUser | undefined> {
  const { rows } = await sql.query<ProviderUser>(
    `SELECT user_id AS id, role, disabled_at IS NULL AS enabled, email, oidc_issuer AS issuer, oidc_subject AS subject
     FROM app_user WHERE (oidc_issuer = $1 AND oidc_subject = $2) OR email = $3
     ORDER BY (oidc_issuer = $1 AND oidc_subject = $2) DESC NULLS LAST LIMIT 1 FOR UPDATE`,
    [issuer, subject, email],
  );
  return rows[0];
}

/** Returns false, and changes nothing, if another user has the address. It must be in lower case. */
export async function updateEmail(sql: Sql, id: number, email: string): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE app_user SET email = $2
     WHERE user_id = $1 AND NOT EXISTS (SELECT FROM app_user WHERE email = $2)`,
    [id, email],
  );
  return rowCount > 0;
}

/** From now on the identity provider decides who this user is: a password would stay valid without a group. */
export async function linkIdentity(sql: Sql, id: number, { issuer, subject }: IdentityKey): Promise<void> {
  await sql.query(
    `UPDATE app_user SET oidc_issuer = $2, oidc_subject = $3, password_hash = NULL, password_is_temporary = false
     WHERE user_id = $1`,
    [id, issuer, subject],
  );
}

/** Records a sign-in with the role that the groups give. An administrator has no limit to import processes. */
export async function recordProviderSignIn(sql: Sql, id: number, role: UserRole): Promise<void> {
  await sql.query(
    `UPDATE app_user SET last_signed_in_at = now(), role = $2,
       import_process_ids = CASE WHEN $2 = 'administrator' THEN NULL ELSE import_process_ids END
     WHERE user_id = $1`,
    [id, role],
  );
}

/**
 * Records a sign-in with the password that was verified, and replaces its hash. Returns false when the password has
 * changed or the user was disabled since: such a session would outlive the event that ended all others.
 */
export async function recordSignIn(
  sql: Sql,
  { id, passwordHash }: StoredPassword,
  newHash: string,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE app_user SET last_signed_in_at = now(), password_hash = $2
     WHERE user_id = $1 AND password_hash = $3 AND disabled_at IS NULL`,
    [id, newHash, passwordHash],
  );
  return rowCount > 0;
}

export async function anyUserExists(sql: Sql): Promise<boolean> {
  return (await sql.query('SELECT 1 FROM app_user LIMIT 1')).rowCount > 0;
}

export interface BootstrapUser {
  id: number;
  passwordHash: string | null;
  /** An enabled administrator. */
  isAdministrator: boolean;
  /** Of the BOOTSTRAP_ADMIN_PASSWORD applied last; `null` for a user whom it has not created or changed. */
  bootstrapPasswordHash: string | null;
}

export async function lockUserByEmail(sql: Sql, email: string): Promise<BootstrapUser | undefined> {
  const { rows } = await sql.query<BootstrapUser>(
    `SELECT user_id AS id, password_hash AS "passwordHash",
       role = 'administrator' AND disabled_at IS NULL AS "isAdministrator",
       bootstrap_password_hash AS "bootstrapPasswordHash"
     FROM app_user WHERE email = $1 FOR UPDATE`,
    [email],
  );
  return rows[0];
}

/** Makes the user an enabled administrator with this password, which came from BOOTSTRAP_ADMIN_PASSWORD. */
export async function restoreAdministrator(sql: Sql, { id, passwordHash }: StoredPassword): Promise<void> {
  await sql.query(
    `UPDATE app_user SET role = 'administrator', import_process_ids = NULL, disabled_at = NULL,
       password_hash = $2, bootstrap_password_hash = $2, password_is_temporary = false
     WHERE user_id = $1`,
    [id, passwordHash],
  );
}
