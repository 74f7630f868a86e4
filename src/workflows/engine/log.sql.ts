import { COPY_NULL, copyField, type CopyInput, rowsToCopy } from '../../platform/database/copy-rows.js';
import type { Sql } from '../../platform/database/database.service.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { type Changes, idOf } from './instance-state.js';
import type { Effect } from './resolve-rows.js';

/** Attributes have few names, and each name is written thousands of times. */
const quotedNames = new Map<string, string>();
const MOST_NAMES = 10_000;
/** Texts that JSON only encloses in quotes; quoting them here takes less than half the time. */
const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/;

/**
 * Attributes as a JSON object, whatever their names. The text is built by hand, because making an object from each map
 * for `JSON.stringify` takes several times as long.
 */
export function attributesText(attributes: ReadonlyMap<string, JsonValue>): string {
  let members = '';
  for (const [name, value] of attributes)
    members += `${separator(members)}${quoted(name)}${valueText(value)}`;
  return `{${members}}`;
}

/** `{"First Name":[before,after],…}` */
export function changesText(changes: Changes): string {
  let members = '';
  for (const { name, before, after } of changes) {
    members += `${separator(members)}${quoted(name)}[${valueText(before)},${valueText(after)}]`;
  }
  return `{${members}}`;
}

function separator(before: string): string {
  return before === '' ? '' : ',';
}

/** A JSON text as a field of COPY text. JSON has already escaped line ends and tabs. */
export function copyJson(json: string): string {
  return json.includes('\\') ? json.replaceAll('\\', '\\\\') : json;
}

function valueText(value: JsonValue): string {
  if (value === null) return 'null';
  return typeof value === 'string' && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}

function quoted(name: string): string {
  let text = quotedNames.get(name);
  if (text === undefined) {
    if (quotedNames.size >= MOST_NAMES) quotedNames.clear();
    text = `${JSON.stringify(name)}:`;
    quotedNames.set(name, text);
  }
  return text;
}

/*
 * Table `workflow_log`: one row per effect of one action on one instance. Statements only insert rows, and always into
 * this table itself, so that triggers on it fire; only retention and erasure delete rows.
 */

/** One entry per effect. */
export function logToInsert(
  { batchId, actor }: { batchId: number | null; actor: string },
  effects: readonly Effect[],
): CopyInput {
  const actorField = copyField(actor);
  return rowsToCopy(
    'workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes)',
    effects,
    ({ instance, line, action, changes }) => {
      const origin = batchId === null ? `${COPY_NULL}\t${COPY_NULL}` : `${batchId}\t${line}`;
      return `${idOf(instance)}\t${origin}\t${copyField(action)}\t${actorField}\t${copyJson(changesText(changes))}`;
    },
  );
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
            changes::text AS changes, logged_at AS "loggedAt"
       FROM workflow_log
      WHERE workflow_instance_id = $1 AND ($3::bigint IS NULL OR workflow_log_id < $3)
      ORDER BY workflow_log_id DESC LIMIT $2`,
    [instanceId, limit, after ?? null],
  );
  return rows;
}
