import { Column, Entity, Generated, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import type { LinkPurpose } from './account-links.sql.js';
import type { AuditOutcome } from './audit-log.sql.js';
import type { SignInMethod, UserRole } from './principal.js';

@Entity('api_key')
export class ApiKeyEntity {
  @PrimaryGeneratedColumn('identity', { name: 'api_key_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  @Column('text') name!: string;
  @Column('bytea', { name: 'key_hash', unique: true }) keyHash!: Buffer;
  /** The first characters of the key, by which people tell keys apart. */
  @Column('text', { name: 'key_hint' }) keyHint!: string;
  @Column('text', { array: true }) permissions!: string[];
  /** `null`: every import process. */
  @Column('bigint', { name: 'import_process_ids', array: true, nullable: true }) importProcessIds!:
    number[] | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at', nullable: true }) expiresAt!: Date | null;
  @Column('timestamptz', { name: 'last_used_at', nullable: true }) lastUsedAt!: Date | null;
  @Column('timestamptz', { name: 'revoked_at', nullable: true }) revokedAt!: Date | null;
}

@Entity('app_user')
export class AppUserEntity {
  @PrimaryGeneratedColumn('identity', { name: 'user_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  /** In lower case. */
  @Column('text', { unique: true }) email!: string;
  /** `null`: the user cannot sign in with a password. */
  @Column('text', { name: 'password_hash', nullable: true }) passwordHash!: string | null;
  /** Someone else set the password, so the user must change it. */
  @Column('boolean', { name: 'password_is_temporary', default: false }) passwordIsTemporary!: boolean;
  /** Of the BOOTSTRAP_ADMIN_PASSWORD applied last. */
  @Column('text', { name: 'bootstrap_password_hash', nullable: true }) bootstrapPasswordHash!: string | null;
  @Column('text') role!: UserRole;
  /** `null`: every import process. */
  @Column('bigint', { name: 'import_process_ids', array: true, nullable: true }) importProcessIds!:
    number[] | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'last_signed_in_at', nullable: true }) lastSignedInAt!: Date | null;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
  /** Who the user is at the identity provider. Both are set, or neither. */
  @Column('text', { name: 'oidc_issuer', nullable: true }) oidcIssuer!: string | null;
  @Column('text', { name: 'oidc_subject', nullable: true }) oidcSubject!: string | null;
}

@Entity('user_session')
export class UserSessionEntity {
  @PrimaryColumn('bytea', { name: 'session_hash' }) sessionHash!: Buffer;
  @Column('bigint', { name: 'user_id' }) userId!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'last_seen_at', default: () => 'now()' }) lastSeenAt!: Date;
  /** Names the session to its owner; the hash stays in the database. */
  @Generated('uuid') @Column('uuid', { name: 'session_id', unique: true }) id!: string;
  /** The client address of the last recorded use. */
  @Column('text', { nullable: true }) address!: string | null;
  @Column('text', { name: 'user_agent', nullable: true }) userAgent!: string | null;
  @Column('text', { default: 'password' }) method!: SignInMethod;
  /** When its user last proved who they are. */
  @Column('timestamptz', { name: 'confirmed_at', default: () => 'now()' }) confirmedAt!: Date;
}

@Entity('account_link')
export class AccountLinkEntity {
  @PrimaryGeneratedColumn('identity', {
    name: 'account_link_id',
    type: 'bigint',
    generatedIdentity: 'BY DEFAULT',
  })
  id!: number;
  @Column('bigint', { name: 'user_id' }) userId!: number;
  @Column('text') purpose!: LinkPurpose;
  /** `null` until the mail is written. */
  @Column('bytea', { name: 'token_hash', unique: true, nullable: true }) tokenHash!: Buffer | null;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at' }) expiresAt!: Date;
}

@Entity('audit_log')
export class AuditLogEntity {
  @PrimaryGeneratedColumn('identity', { name: 'audit_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  @Column('timestamptz', { name: 'happened_at', default: () => 'now()' }) happenedAt!: Date;
  @Column('text', { nullable: true }) actor!: string | null;
  @Column('text') action!: string;
  @Column('text', { nullable: true }) subject!: string | null;
  @Column('jsonb') details!: Record<string, unknown>;
  @Column('text', { default: 'done' }) outcome!: AuditOutcome;
  /** Equal refusals of one minute share a row. */
  @Column('integer', { default: 1 }) occurrences!: number;
  @Column('text', { nullable: true }) address!: string | null;
  @Column('text', { name: 'request_id', nullable: true }) requestId!: string | null;
}
