import { createHash, randomBytes } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { PERMISSIONS, type Principal } from './principal.js';

/** 256 random bits; the prefix lets people and secret scanners recognise a key of ours. */
export function newKey(): string {
  return `wiq_${randomBytes(32).toString('base64url')}`;
}

/**
 * What is stored and looked up instead of the key. The index compares digests, not keys: how long a look-up takes
 * says something about the digest of a guess, from which no key can be built. So the look-up is as good as a
 * comparison in constant time, and needs no list of keys in memory, which a revocation would have to reach.
 */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** The first characters, for people to tell keys apart. */
export function keyHint(key: string): string {
  return key.slice(0, key.startsWith('wiq_') ? 8 : 4);
}

interface FoundKey {
  id: number;
  name: string;
  permissions: string[];
  importProcessIds: number[] | null;
  usageIsStale: boolean;
}

/**
 * Key to principal, by one indexed query and no cache: a revocation takes effect with the very next call, in every
 * process. The query costs a fraction of a millisecond; a cache would have to be told of revocations elsewhere.
 */
@Injectable()
export class ApiKeyAuthentication implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ApiKeyAuthentication.name);
  private readonly usageWrites = new Map<number, Promise<void>>();

  constructor(private readonly database: DatabaseService) {}

  /** `null` for a key that is unknown, revoked or expired. */
  async principalOf(key: string): Promise<Principal | null> {
    const { rows } = await this.database.query<FoundKey>(FIND, [hashKey(key)]);
    const [found] = rows;
    if (found === undefined) return null;
    if (found.usageIsStale) this.noteUsage(found.id);
    return {
      id: `api-key:${found.id}`,
      name: found.name,
      permissions: PERMISSIONS.filter((permission) => found.permissions.includes(permission)),
      importProcessIds: found.importProcessIds,
      administrator: false,
    };
  }

  /** Not awaited by the call it belongs to, and at most once a minute per key: being used must not cost. */
  private noteUsage(id: number): void {
    if (this.usageWrites.has(id)) return;
    const write = this.database.query(NOTE_USAGE, [id]).then(
      () => undefined,
      (error: unknown) => this.logger.warn(`lastUsedAt of API key ${id} was not written: ${String(error)}`),
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

const FIND = `
  SELECT api_key_id AS id, name, permissions, import_process_ids AS "importProcessIds",
    coalesce(last_used_at < now() - interval '1 minute', true) AS "usageIsStale"
  FROM api_key
  WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

// The condition again: another process may have written it meanwhile.
const NOTE_USAGE = `
  UPDATE api_key SET last_used_at = now()
  WHERE api_key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;
