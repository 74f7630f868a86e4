import { createHash, randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { recordKeyUsage, selectActiveKey } from './api-keys.sql.js';
import { PERMISSIONS, type Principal } from './principal.js';

/** 256 random bits. People and secret scanners recognize our keys by the prefix. */
export function newKey(): string {
  return `wiq_${randomBytes(32).toString('base64url')}`;
}

/**
 * Only this hash is stored and looked up. The index compares digests, not keys: the time of a lookup reveals something
 * about the digest of a guess, from which no key can be derived. The lookup is therefore as safe as a comparison in
 * constant time, and needs no list of keys in memory, which every revocation would have to reach.
 */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** The first characters, by which people tell keys apart. */
export function keyHint(key: string): string {
  return key.slice(0, key.startsWith('wiq_') ? 8 : 4);
}

/**
 * Finds the principal of a key by one indexed query, without a cache: a revocation takes effect with the next call, in
 * every process. The query costs a fraction of a millisecond; a cache would need to learn of revocations elsewhere.
 */
@Injectable()
export class ApiKeyAuthentication implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ApiKeyAuthentication.name);
  private readonly usageWrites = new Map<number, Promise<void>>();

  constructor(private readonly database: DatabaseService) {}

  /** `null` for a key that is unknown, revoked or expired. */
  async principalOf(key: string): Promise<Principal | null> {
    const found = await selectActiveKey(this.database, hashKey(key));
    if (found === undefined) return null;
    if (found.usageIsStale) this.recordUsage(found.id);
    return {
      id: `api-key:${found.id}`,
      name: found.name,
      permissions: PERMISSIONS.filter((permission) => found.permissions.includes(permission)),
      importProcessIds: found.importProcessIds,
      administrator: false,
    };
  }

  /** At most once a minute per key, and the call does not wait for it: authentication must stay cheap. */
  private recordUsage(id: number): void {
    if (this.usageWrites.has(id)) return;
    const write = recordKeyUsage(this.database, id).catch((error: unknown) =>
      this.logger.warn(`lastUsedAt of API key ${id} was not written: ${String(error)}`),
    );
    this.usageWrites.set(
      id,
      write.finally(() => this.usageWrites.delete(id)),
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.usageWrites.values());
  }
}
