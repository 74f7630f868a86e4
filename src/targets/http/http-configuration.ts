import { HTTP_TARGET_DEFAULTS } from '../../batches/batch-state.js';
import { isWebhookSecret } from '../../delivery/webhook-endpoint.js';
import type { SecretBox } from '../../platform/secret-box.js';
import { nearestName } from '../../platform/wording.js';
import type { ConfigurationProblem, TargetConfiguration } from '../../records/target.js';

/** The target of an import process of the kind `http`, with its defaults. */
export interface HttpConfiguration {
  url: string;
  /** Each signs the requests, so that a receiver may know the new or the previous one. */
  secrets: readonly string[];
  /** Requests at a time, over all workers. */
  concurrency: number;
  /** Over all workers; `null`: no limit. */
  ratePerSecond: number | null;
  timeoutMs: number;
  /** Of one record, or of one array. */
  maxAttempts: number;
  /** Records of one request; 1: the body is the record itself, not an array. */
  batchSize: number;
  /** Whether the receiver takes a repeated key for the same record. If not, no record is sent twice. */
  idempotent: boolean;
}

/** Answers show this in place of a secret. A client that sends it back keeps the stored secret. */
const HIDDEN = '********';
const LONGEST_URL = 2_000;
const SECRETS = ['secret', 'previousSecret'] as const;
const NUMBERS = {
  concurrency: { least: 1, most: 64, initial: HTTP_TARGET_DEFAULTS.concurrency },
  ratePerSecond: { least: 0.1, most: 10_000, initial: null },
  timeoutMs: { least: 100, most: 120_000, initial: 10_000 },
  maxAttempts: { least: 1, most: 20, initial: 5 },
  batchSize: { least: 1, most: 1_000, initial: HTTP_TARGET_DEFAULTS.batchSize },
} as const;
const MEMBERS = ['kind', 'url', ...SECRETS, ...Object.keys(NUMBERS), 'idempotent'];

/** Checks a configuration; `null` if problems were found. */
export function readHttpConfiguration(
  target: TargetConfiguration,
  problems: ConfigurationProblem[],
): HttpConfiguration | null {
  const before = problems.length;
  const refuse = (name: string, code: string, message: string) => {
    problems.push({ pointer: `/target/${name}`, code, message: `${name} ${message}` });
  };
  for (const member of Object.keys(target)) {
    if (MEMBERS.includes(member)) continue;
    const nearest = nearestName(member, MEMBERS);
    const hint = nearest === undefined ? '' : `. Did you mean "${nearest}"?`;
    refuse(
      member.replaceAll('~', '~0').replaceAll('/', '~1'),
      'unknown_member',
      `is not a member of this target${hint}`,
    );
  }
  checkUrl(target.url, (code, message) => refuse('url', code, message));
  for (const name of SECRETS) {
    const secret = target[name];
    if (secret === undefined || (typeof secret === 'string' && isWebhookSecret(secret))) continue;
    const message =
      secret === HIDDEN
        ? 'is hidden, and is kept only while the host of url stays the same: enter it again'
        : 'must be whsec_ and 24 to 64 bytes in base64';
    refuse(name, 'invalid_value', message);
  }
  if (target.previousSecret !== undefined && target.secret === undefined)
    refuse('secret', 'missing_value', 'is required beside previousSecret');
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, { least, most, initial }]) => {
      const value = target[name] ?? initial;
      const isUsable =
        value === null ||
        (typeof value === 'number' &&
          value >= least &&
          value <= most &&
          (name === 'ratePerSecond' || Number.isInteger(value)));
      if (!isUsable) {
        const kind = name === 'ratePerSecond' ? 'number' : 'whole number';
        refuse(name, 'invalid_value', `must be a ${kind} from ${least} to ${most}`);
      }
      return [name, value];
    }),
  ) as Pick<HttpConfiguration, keyof typeof NUMBERS>;
  const { idempotent = true } = target;
  if (typeof idempotent !== 'boolean') refuse('idempotent', 'invalid_value', 'must be true or false');
  if (problems.length > before) return null;
  const secrets = SECRETS.flatMap((name) => (target[name] === undefined ? [] : [target[name] as string]));
  return { url: target.url as string, secrets, ...numbers, idempotent: idempotent as boolean };
}

function checkUrl(url: unknown, refuse: (code: string, message: string) => void): void {
  if (url === undefined) return refuse('missing_value', 'is required');
  const isUrl =
    typeof url === 'string' && url.length <= LONGEST_URL && /^https?:\/\/[^\s\p{Cc}\p{Cs}]+$/u.test(url);
  if (!isUrl || !URL.canParse(url) || new URL(url).hash !== '')
    return refuse(
      'invalid_value',
      `must be an http or https URL of at most ${LONGEST_URL} characters, without a fragment`,
    );
  if (new URL(url).password === HIDDEN)
    refuse(
      'invalid_value',
      'has a hidden password, which is kept only for the same user and host: enter it again',
    );
}

/** The configuration as it is stored. The URL may hold credentials, and is a secret for many receivers anyway. */
export function sealConfiguration(target: TargetConfiguration, box: SecretBox): TargetConfiguration {
  return withTexts(target, (text) => box.seal(text));
}

export function openConfiguration(stored: TargetConfiguration, box: SecretBox): TargetConfiguration {
  return withTexts(stored, (text) => box.open(text));
}

export function isSealedConfiguration(stored: TargetConfiguration, box: SecretBox): boolean {
  let sealed = true;
  withTexts(stored, (text) => {
    sealed &&= box.isCurrent(text);
    return text;
  });
  return sealed;
}

/** The stored configuration without its secrets and the password of its URL. */
export function shownConfiguration(stored: TargetConfiguration, box: SecretBox): TargetConfiguration {
  return withTexts(stored, (text, name) =>
    name === 'url' ? withPassword(box.open(text), () => HIDDEN) : HIDDEN,
  );
}

/** Restores what `shownConfiguration` hid; only for the same host, so that no one can have it sent to another one. */
export function restoreConfiguration(
  sent: TargetConfiguration,
  stored: TargetConfiguration,
  box: SecretBox,
): TargetConfiguration {
  const { url } = sent;
  if (typeof url !== 'string' || typeof stored.url !== 'string' || !URL.canParse(url)) return sent;
  const [next, former] = [new URL(url), new URL(box.open(stored.url))];
  if (next.origin !== former.origin) return sent;
  return withTexts(sent, (text, name) => {
    if (name === 'url') {
      const isSame = next.password === HIDDEN && next.username === former.username;
      return isSame ? withPassword(text, () => former.password) : text;
    }
    const secret = stored[name];
    return text === HIDDEN && typeof secret === 'string' ? box.open(secret) : text;
  });
}

function withPassword(text: string, change: () => string): string {
  return text.replace(
    /^(https?:\/\/[^/?#@]*?:)([^/?#]*)(?=@[^@/?#]*(?:[/?#]|$))/i,
    (_, start: string) => start + change(),
  );
}

function withTexts(
  target: TargetConfiguration,
  change: (text: string, name: string) => string,
): TargetConfiguration {
  const changed = { ...target };
  for (const name of ['url', ...SECRETS]) {
    const text = target[name];
    if (typeof text === 'string') changed[name] = change(text, name);
  }
  return changed;
}
