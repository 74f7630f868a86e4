import { COPY_NULL, copyField, type CopyInput, rowsToCopy } from '../../platform/database/copy-rows.js';
import type { Sql } from '../../platform/database/database.service.js';
import { changesText, type JsonValue } from '../../platform/json/json-value.js';
import { type Changes, idOf, type InstanceState, STATUS_CHANGE } from './instance-state.js';
import type { Effect } from './resolve-rows.js';

/**
 * What the log keeps of a creation: a check sum of the values, whatever their order. The values themselves are those of
 * the instance, or those before its later changes (ADR 43).
 */
function creationText(changes: Changes): string {
  return `{"${CREATED}":"${checkSum(changes)}"}`;
}

/** The only member of such an entry. It is reserved as `:Workflow…` is. */
const CREATED = ':WorkflowCreated';

/** Of the values after the changes. It shows that someone changed a value without an entry; it is no protection against forgery. */
export function checkSum(changes: Changes): string {
  const sum: HashPair = { low: 0, high: 0 };
  for (const { field, after } of changes) {
    if (after === null) continue;
    const { low, high } = hashesOfValue(after, seedOf(field));
    sum.low = (sum.low + low) | 0;
    sum.high = (sum.high + high) | 0;
  }
  return `${(sum.low >>> 0).toString(36)}.${(sum.high >>> 0).toString(36)}`;
}

/** Two independent hashes of one text: together they have 64 bits, in numbers of the size that V8 computes fastest. */
interface HashPair {
  low: number;
  high: number;
}

const FNV_SEEDS: HashPair = { low: 0x811c9dc5, high: 0x5bd1e995 };
const FNV_PRIME = 0x01000193;
/** Attributes have few names, and each is needed thousands of times. */
const seeds = new Map<string, HashPair>();
const MOST_NAMES = 10_000;

function seedOf(name: string): HashPair {
  let seed = seeds.get(name);
  if (seed === undefined) {
    if (seeds.size >= MOST_NAMES) seeds.clear();
    seed = hashesOf(name, FNV_SEEDS);
    seeds.set(name, seed);
  }
  return seed;
}

/** FNV-1a over UTF-16 units, both hashes in one pass. */
function hashesOf(text: string, seed: HashPair): HashPair {
  let { low, high } = seed;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, FNV_PRIME);
    high = Math.imul(high ^ unit, FNV_PRIME);
  }
  return { low, high };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The hashes of `canonicalText`. Most values are plain texts, for which that text need not be made. */
function hashesOfValue(value: JsonValue, seed: HashPair): HashPair {
  if (typeof value !== 'string') return hashesOf(canonicalText(value), seed);
  let low = Math.imul(seed.low ^ QUOTE, FNV_PRIME);
  let high = Math.imul(seed.high ^ QUOTE, FNV_PRIME);
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at);
    const isPlain = unit >= 0x20 && unit !== QUOTE && unit !== BACKSLASH && (unit & 0xf800) !== 0xd800;
    if (!isPlain) return hashesOf(canonicalText(value), seed);
    low = Math.imul(low ^ unit, FNV_PRIME);
    high = Math.imul(high ^ unit, FNV_PRIME);
  }
  return { low: Math.imul(low ^ QUOTE, FNV_PRIME), high: Math.imul(high ^ QUOTE, FNV_PRIME) };
}

/** The JSON text of a value; PostgreSQL sorts the members of objects in its own way. */
function canonicalText(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonicalText(each)}`).join(',')}}`;
}

/** A JSON text as a field of COPY text. JSON has already escaped line ends and tabs. */
export function copyJson(json: string): string {
  return json.includes('\\') ? json.replaceAll('\\', '\\\\') : json;
}

/*
 * Table `workflow_log`: one row per effect of one action on one instance. Statements only insert rows, and always into
 * this table itself, so that triggers on it fire; only retention and erasure delete rows. `workflow_log_changes` answers
 * the changes of an entry, whatever its form.
 */

/** One entry per effect. */
export function logToInsert(
  { batchId, actor }: { batchId: number | null; actor: string },
  effects: readonly (Omit<Effect, 'instance'> & { instance: Pick<InstanceState, 'id'> })[],
): Promise<CopyInput> {
  const actorField = copyField(actor);
  return rowsToCopy(
    'workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)',
    effects,
    ({ instance, line, action, changes }) => {
      const origin = batchId === null ? `${COPY_NULL}\t${COPY_NULL}` : `${batchId}\t${line}`;
      const text = isCreation(changes) ? creationText(changes) : copyJson(changesText(changes));
      return `${idOf(instance)}\t${origin}\t${copyField(action)}\t${actorField}\t${text}`;
    },
  );
}

/** Whether the changes are those of a new instance, or of one that an undo restores. */
function isCreation(changes: Changes): boolean {
  return changes.some(({ field, before }) => field === STATUS_CHANGE && before === null);
}

/** One effect of one action, as the log stores it. */
export interface LogRow {
  id: number;
  batchId: number | null;
  line: number | null;
  action: string;
  actor: string;
  /** JSON text: `{"First Name": [before, after], …}`. */
  changes: string;
  loggedAt: Date;
}

/** Newest first: at most `limit` entries, and only entries before `after`. */
export async function selectLog(
  sql: Sql,
  instanceId: number,
  limit: number,
  after: number | undefined,
): Promise<LogRow[]> {
  const { rows } = await sql.query<LogRow>(
    `SELECT workflow_log_id AS id, workflow_import_queue_batch_id AS "batchId", line_number AS line, action, actor,
            workflow_log_changes(workflow_log)::text AS changes, logged_at AS "loggedAt"
       FROM workflow_log
      WHERE workflow_instance_id = $1 AND ($3::bigint IS NULL OR workflow_log_id < $3)
      ORDER BY workflow_log_id DESC LIMIT $2`,
    [instanceId, limit, after ?? null],
  );
  return rows;
}

/** An entry of an instance, as an undo reads it. */
export interface ReversibleEntry {
  instanceId: number;
  id: number;
  batchId: number | null;
  line: number | null;
  /** The batch that its batch undoes: the entry reverts the entry of that batch with the same line. */
  undoOf: number | null;
  actor: string;
  loggedAt: Date;
  /** `[before, after]` by name; only for entries of the batch to undo. */
  changes: Record<string, [before: JsonValue, after: JsonValue]> | null;
  /** The check sum of a creation that keeps no values of its own. */
  created: string | null;
}

const REVERSIBLE = `l.workflow_instance_id AS "instanceId", l.workflow_log_id AS id,
            l.workflow_import_queue_batch_id AS "batchId", l.line_number AS line, b.undo_of AS "undoOf", l.actor,
            l.logged_at AS "loggedAt"`;

/** The entries of these instances since the first one of the batch, newest first. */
export async function selectEntriesSince(
  sql: Sql,
  batchId: number,
  instanceIds: readonly number[],
): Promise<ReversibleEntry[]> {
  const { rows } = await sql.query<ReversibleEntry>(
    `SELECT ${REVERSIBLE}, CASE WHEN l.workflow_import_queue_batch_id = $2 THEN workflow_log_changes(l) END AS changes,
            l.changes ->> ':WorkflowCreated' AS created
       FROM unnest($1::bigint[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT min(workflow_log_id) AS id FROM workflow_log
         WHERE workflow_instance_id = wanted.id AND workflow_import_queue_batch_id = $2
      ) AS first
       JOIN workflow_log l ON l.workflow_instance_id = wanted.id AND l.workflow_log_id >= first.id
       LEFT JOIN import_queue_batch b USING (workflow_import_queue_batch_id)
      ORDER BY l.workflow_log_id DESC`,
    [instanceIds, batchId],
  );
  return rows;
}

/** The newest entry of each of these instances. */
export async function selectNewestEntries(
  sql: Sql,
  instanceIds: readonly number[],
): Promise<Omit<ReversibleEntry, 'changes' | 'created'>[]> {
  const { rows } = await sql.query<Omit<ReversibleEntry, 'changes' | 'created'>>(
    `SELECT ${REVERSIBLE}
       FROM unnest($1::bigint[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT * FROM workflow_log WHERE workflow_instance_id = wanted.id ORDER BY workflow_log_id DESC LIMIT 1
      ) AS l
       LEFT JOIN import_queue_batch b USING (workflow_import_queue_batch_id)`,
    [instanceIds],
  );
  return rows;
}

/** What these records of a batch changed; `instanceIds[i]` belongs to `lines[i]`. */
export async function selectChangesOf(
  sql: Sql,
  batchId: number,
  instanceIds: readonly number[],
  lines: readonly number[],
): Promise<{ line: number; changes: Record<string, [JsonValue, JsonValue]> }[]> {
  const { rows } = await sql.query<{ line: number; changes: Record<string, [JsonValue, JsonValue]> }>(
    `SELECT l.line_number AS line, workflow_log_changes(l) AS changes
       FROM unnest($2::bigint[], $3::integer[]) AS wanted (instance, line)
       JOIN workflow_log l ON l.workflow_instance_id = wanted.instance
        AND l.workflow_import_queue_batch_id = $1 AND l.line_number = wanted.line`,
    [batchId, instanceIds, lines],
  );
  return rows;
}
