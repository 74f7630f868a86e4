import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { DatabaseService } from '../platform/database/database.service.js';
import { invalidBody } from '../platform/http/http.errors.js';
import {
  apiKeyResource,
  type ApiKeyResource,
  type CreateApiKeyDto,
  type CreatedApiKey,
} from './api-keys.dto.js';
import { writeAudit } from './audit.js';
import { apiKeyNotFound, grantsMoreThanHeld, revokesMoreThanHeld } from './auth.errors.js';
import { hashKey, keyHint, newKey } from './authenticator.js';
import { ApiKeyEntity } from './entities.js';
import { KnownImportProcesses, problemsOfLimit } from './import-process-limit.js';
import type { Permission, Principal } from './principal.js';

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
