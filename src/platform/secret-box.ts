import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';

export interface SecretKey {
  /** Stands in each sealed value, so that several keys can be in use. */
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

const PREFIX = 'enc:v1:';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/**
 * Reads SECRETS_KEY: 32 bytes in base64, or several as `id:key` with commas in between, the one to encrypt with first.
 * Returns `null` if the text has another form.
 */
export function parseSecretKeys(text: string): SecretKey[] | null {
  const keys = text.split(',').map((part): SecretKey | null => {
    const [, id, encoded = ''] = /^\s*(?:([\w-]{1,40}):)?([A-Za-z0-9+/_-]{43}=?)\s*$/.exec(part) ?? [];
    const key = Buffer.from(encoded, 'base64');
    return key.length === KEY_BYTES ? { id: id ?? idOf(key), key } : null;
  });
  const known = keys.filter((key) => key !== null);
  const isUnique = new Set(known.map(({ id }) => id)).size === known.length;
  return known.length === keys.length && isUnique ? known : null;
}

/** The key of an installation that sets only SESSION_SECRET. */
export function derivedSecretKey(sessionSecret: string): SecretKey {
  const key = Buffer.from(hkdfSync('sha256', sessionSecret, '', 'workflow-import-queue secrets', KEY_BYTES));
  return { id: idOf(key), key };
}

/** Reveals nothing about the key. */
const idOf = (key: Buffer): string => createHash('sha256').update(key).digest('hex').slice(0, 8);

/**
 * Encrypts secrets before they are stored (AES-256-GCM), and decrypts them. Without a key, it stores them as they are,
 * and it reads both forms.
 */
@Injectable()
export class SecretBox {
  constructor(private readonly keys: readonly SecretKey[] = []) {}

  get hasKey(): boolean {
    return this.keys.length > 0;
  }

  /** Encrypts a value. A value that is encrypted with the same key stays as it is. */
  seal(value: string): string {
    const [current] = this.keys;
    if (current === undefined || this.isCurrent(value)) return value;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', current.key, nonce);
    const text = Buffer.concat([cipher.update(this.open(value), 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([nonce, cipher.getAuthTag(), text]);
    return `${PREFIX}${current.id}:${sealed.toString('base64url')}`;
  }

  /** @throws Error if the key is unknown or the value was changed */
  open(value: string): string {
    if (!value.startsWith(PREFIX)) return value;
    const [id = '', encoded = ''] = value.slice(PREFIX.length).split(':');
    const found = this.keys.find((key) => key.id === id);
    if (found === undefined) {
      throw new Error(`A stored secret is encrypted with the key ${id}, which SECRETS_KEY does not have.`);
    }
    const sealed = Buffer.from(encoded, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', found.key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const text = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  }

  /** Whether the value is encrypted with the key that new values get. */
  isCurrent(value: string): boolean {
    const prefix = this.currentPrefix;
    return prefix !== null && value.startsWith(prefix);
  }

  /** How values begin that are encrypted with the key that new values get; `null` without a key. */
  get currentPrefix(): string | null {
    const [current] = this.keys;
    return current === undefined ? null : `${PREFIX}${current.id}:`;
  }
}
