import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { DatabaseService } from '../platform/database/database.service.js';
import type { ProblemDetail } from '../platform/domain-error.js';
import { invalidBody } from '../platform/http/http.errors.js';
import { jsonPointer } from '../platform/json/json-value.js';
import { hashKey, keyHint, newKey } from './api-key-authentication.js';
import {
  apiKeyResource,
  type ApiKeyResource,
  type CreateApiKeyDto,
  type CreatedApiKey,
} from './api-keys.dto.js';
import { writeAudit } from './audit.js';
import { apiKeyNotFound, grantsMoreThanHeld } from './auth.errors.js';
import { ApiKeyEntity } from './entities.js';
import type { Principal } from './principal.js';

/** What keys need to know of import processes, which belong to a layer above; that layer provides it. */
export abstract class KnownImportProcesses {
  /**
   * The ids that no import process has, in the order given. The id of a deleted import process is among them: a key for
   * it could never be used. Existing keys keep such an id, and with it their limit; ids are never reused, so the id
   * admits no one.
   */
  abstract unknownOf(ids: readonly number[]): Promise<number[]>;
}

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
    const { name, permissions, importProcessIds = null } = dto;
    assertHolds(creator, dto);
    const expiresAt = dto.expiresAt == null ? null : new Date(dto.expiresAt);
    const errors = await this.unknownProcesses(importProcessIds ?? []);
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

  private async unknownProcesses(ids: readonly number[]): Promise<ProblemDetail[]> {
    const unknown = await this.importProcesses.unknownOf(ids);
    return unknown.map((id) => ({
      pointer: jsonPointer('importProcessIds', ids.indexOf(id)),
      code: 'import_process_not_found',
      message: `there is no import process ${id}`,
    }));
  }

  /** Every process refuses the key from now on. Revoking it again changes nothing. */
  async revoke(id: number, by: Principal): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const { affected } = await manager.update(
        ApiKeyEntity,
        { id, revokedAt: IsNull() },
        { revokedAt: () => 'now()' },
      );
      if (affected === 0 && !(await manager.existsBy(ApiKeyEntity, { id }))) throw apiKeyNotFound(String(id));
      if (affected === 0) return;
      await writeAudit(transaction, { actor: by.id, action: 'api_key_revoked', subject: `api-key:${id}` });
    });
  }
}

function assertHolds(creator: Principal, { permissions, importProcessIds }: CreateApiKeyDto): void {
  const missing = permissions.filter((permission) => !creator.permissions.includes(permission));
  if (missing.length > 0) throw grantsMoreThanHeld(missing.join(', '));
  const allowed = creator.importProcessIds;
  if (allowed === null) return;
  if (importProcessIds == null) throw grantsMoreThanHeld('all import processes');
  const beyond = importProcessIds.filter((id) => !allowed.includes(id));
  if (beyond.length > 0) throw grantsMoreThanHeld(`import process ${beyond.join(', ')}`);
}
