import { Injectable } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsISO8601, IsOptional, Length, Matches } from 'class-validator';
import { IsNull } from 'typeorm';
import { DatabaseService } from '../platform/database/database.service.js';
import {
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { PathIdPipe } from '../platform/http/validation.js';
import { writeAudit } from './audit-log.sql.js';
import { apiKeyNotFound, grantsMoreThanHeld, revokesMoreThanHeld } from './auth.errors.js';
import { hashKey, keyHint, newKey } from './authenticator.js';
import { ApiKeyEntity } from './entities.js';
import {
  IsImportProcessLimit,
  IsSetOf,
  KnownImportProcesses,
  type Permission,
  PERMISSIONS,
  type Principal,
  problemsOfLimit,
} from './principal.js';

/** The body of `POST /API/ApiKeys`. */
export class CreateApiKeyDto {
  @ApiProperty({
    description: 'Tells people who uses the key.',
    minLength: 1,
    maxLength: 100,
    example: 'Nightly CRM sync',
  })
  @Length(1, 100, { message: 'name must have 1 to 100 characters' })
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: 'name must not contain control characters' })
  name!: string;

  @ApiProperty({ enum: PERMISSIONS, isArray: true, example: ['BeginWorkflowImportProcess', 'ViewImports'] })
  @IsSetOf({
    most: PERMISSIONS.length,
    items: `some of ${PERMISSIONS.join(', ')}`,
    allows: (item) => PERMISSIONS.some((permission) => permission === item),
  })
  permissions!: Permission[];

  @ApiPropertyOptional({
    description:
      'The only import processes the key may use; absent or null: all. Not possible with Configure or Administer.',
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    nullable: true,
  })
  @IsOptional()
  @IsImportProcessLimit()
  importProcessIds?: number[] | null;

  @ApiPropertyOptional({
    description:
      'Whether a key with BeginWorkflowImportProcess also gets ReadOwnImports. false: it reads nothing.',
    default: true,
  })
  @IsOptional()
  @IsBoolean({ message: 'readOwnImports must be true or false' })
  readOwnImports?: boolean;

  @ApiPropertyOptional({
    description: 'When the key stops working (RFC 3339); absent or null: never.',
    format: 'date-time',
    nullable: true,
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true }, { message: 'expiresAt must be an RFC 3339 time' })
  @Matches(/T.*(Z|[+-]\d\d:\d\d)$/i, { message: 'expiresAt must be a time with its offset from UTC' })
  expiresAt?: string | null;
}

/** The id of an API key in a path. */
@Injectable()
export class ApiKeyIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return apiKeyNotFound(id);
  }
}

/** An API key as answers show it: never the key itself or its hash. */
export interface ApiKeyResource {
  id: number;
  name: string;
  /** The first characters of the key. */
  hint: string;
  permissions: string[];
  importProcessIds: number[] | null;
  createdBy: string;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
}

export interface CreatedApiKey extends ApiKeyResource {
  /** Shown only in this answer, because only its hash is stored. */
  key: string;
}

function apiKeyResource(entity: ApiKeyEntity): ApiKeyResource {
  return {
    id: entity.id,
    name: entity.name,
    hint: entity.keyHint,
    permissions: entity.permissions,
    importProcessIds: entity.importProcessIds,
    createdBy: entity.createdBy,
    createdAt: entity.createdAt.toISOString(),
    expiresAt: entity.expiresAt?.toISOString() ?? null,
    lastUsedAt: entity.lastUsedAt?.toISOString() ?? null,
    revokedAt: entity.revokedAt?.toISOString() ?? null,
  };
}

const apiKey = {
  id: INTEGER,
  name: TEXT,
  hint: says('The first characters of the key.', TEXT),
  permissions: arrayOf(choice(...PERMISSIONS)),
  importProcessIds: says('null: all.', orNull(arrayOf(INTEGER))),
  createdBy: TEXT,
  createdAt: TIME,
  expiresAt: orNull(TIME),
  lastUsedAt: orNull(TIME),
  revokedAt: orNull(TIME),
};

/** The answers of the routes for API keys. */
export const API_KEY_SCHEMAS: Readonly<Record<string, Schema>> = {
  ApiKey: objectOf<ApiKeyResource>(apiKey),
  ApiKeyList: itemsOf(refTo('ApiKey')),
  CreatedApiKey: objectOf<CreatedApiKey>({ ...apiKey, key: says('Shown only in this answer.', TEXT) }),
};

/** Creates, lists and revokes API keys. */
@Injectable()
export class ApiKeysService {
  constructor(
    private readonly database: DatabaseService,
    private readonly importProcesses: KnownImportProcesses,
  ) {}

  /** Newest first. Includes revoked keys, because batches name their creator. */
  async list(): Promise<ApiKeyResource[]> {
    const keys = await this.database.dataSource.manager.find(ApiKeyEntity, { order: { id: 'DESC' } });
    return keys.map(apiKeyResource);
  }

  /**
   * @throws DomainError 403 when the key would have more than its creator has, 400 for an expiry in the past and for
   *   unknown import processes
   */
  async create(dto: CreateApiKeyDto, creator: Principal): Promise<CreatedApiKey> {
    const { name, importProcessIds = null } = dto;
    const permissions = permissionsOf(dto);
    assertHolds(creator, permissions);
    const expiresAt = dto.expiresAt == null ? null : new Date(dto.expiresAt);
    const errors = await problemsOfLimit(this.importProcesses, permissions, importProcessIds);
    if (expiresAt !== null && expiresAt.getTime() <= Date.now()) {
      const message = 'expiresAt must be in the future';
      errors.push({ pointer: '/expiresAt', code: 'invalid_value', message });
    }
    if (errors.length > 0) throw invalidBody(errors);
    const key = newKey();
    const created = await this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const { id } = await manager.save(
        manager.create(ApiKeyEntity, {
          name,
          permissions,
          importProcessIds,
          expiresAt,
          keyHash: hashKey(key),
          keyHint: keyHint(key),
          createdBy: creator.id,
        }),
      );
      const details = { name, permissions, importProcessIds, expiresAt };
      await writeAudit(transaction, {
        actor: creator.id,
        action: 'api_key_created',
        subject: `api-key:${id}`,
        details,
      });
      return manager.findOneByOrFail(ApiKeyEntity, { id });
    });
    return { ...apiKeyResource(created), key };
  }

  /**
   * Every process refuses the key from now on. Revoking it again changes nothing.
   * @throws DomainError 404 `api_key_not_found`, 403 for a key with Administer if the caller lacks it
   */
  async revoke(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const key = await manager.findOneBy(ApiKeyEntity, { id });
      if (key === null) throw apiKeyNotFound(String(id));
      // Only a caller with Administer can give it to a key, so only such a caller can take it away. This protects the
      // bootstrap key, too.
      if (key.permissions.includes('Administer') && !by.permissions.includes('Administer'))
        throw revokesMoreThanHeld(key.name);
      const { affected } = await manager.update(
        ApiKeyEntity,
        { id, revokedAt: IsNull() },
        { revokedAt: () => 'now()' },
      );
      if (affected === 0) return;
      await writeAudit(transaction, { actor: by.id, action: 'api_key_revoked', subject: `api-key:${id}` });
    });
  }
}

/** A key that sends rows reads what became of them, unless its creator declines. */
function permissionsOf({ permissions, readOwnImports }: CreateApiKeyDto): Permission[] {
  const adds =
    permissions.includes('BeginWorkflowImportProcess') &&
    !permissions.includes('ReadOwnImports') &&
    readOwnImports !== false;
  return adds ? [...permissions, 'ReadOwnImports'] : permissions;
}

/** Those who may send rows or read everything may also give the right to read one's own batches. */
const IMPLIED_BY: Partial<Record<Permission, readonly Permission[]>> = {
  ReadOwnImports: ['ReadOwnImports', 'BeginWorkflowImportProcess', 'ViewImports'],
};

/** @throws DomainError 403. A creator needs Configure and so is never limited to import processes itself. */
function assertHolds(creator: Principal, permissions: readonly Permission[]): void {
  const holds = (permission: Permission) =>
    (IMPLIED_BY[permission] ?? [permission]).some((held) => creator.permissions.includes(held));
  const missing = permissions.filter((permission) => !holds(permission));
  if (missing.length > 0) throw grantsMoreThanHeld(missing.join(', '));
}
