import {
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  TEXT,
  TIME,
  type Schema,
} from '../common/http/answer-schemas.js';
import type { ApiKeyResource, CreatedApiKey } from './api-key-resource.js';
import { PERMISSIONS } from './permissions.js';

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

/** What routes about API keys answer. */
export const API_KEY_SCHEMAS: Readonly<Record<string, Schema>> = {
  ApiKey: objectOf<ApiKeyResource>(apiKey),
  ApiKeyList: itemsOf(refTo('ApiKey')),
  CreatedApiKey: objectOf<CreatedApiKey>({ ...apiKey, key: says('Shown this once.', TEXT) }),
};
