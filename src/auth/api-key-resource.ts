import type { ApiKeyEntity } from './entities/api-key.entity.js';

/** An API key as answers show it. Never the key itself, nor its hash. */
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
  /** Shown this once: only its hash is kept. */
  key: string;
}

export function apiKeyResource(entity: ApiKeyEntity): ApiKeyResource {
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
