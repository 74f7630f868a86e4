import { relative } from 'node:path';
import type { BatchResource } from '../../src/batches/batch-resource.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import type { QuickstartSecrets } from './credentials.js';
import { exampleFile, MEMBER_ROLES } from './demo.js';

/** One sentence: the outcome of the records. */
export function describeImport({
  status,
  fileName,
  recordCounts,
  operations,
  ...batch
}: BatchResource): string {
  const { total, succeeded, failed, invalid } = recordCounts;
  return (
    `Import ${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID} of ${fileName} ended as ${status}: ${total} records, ` +
    `${succeeded} succeeded (${operations.created} created, ${operations.updated} updated, ` +
    `${operations.unchanged} unchanged), ${failed} failed, ${invalid} invalid.`
  );
}

export interface ServiceFacts {
  config: AppConfig;
  secrets: QuickstartSecrets;
  key: string;
  /** Who can sign in, and the credentials. */
  signIn: string;
  batch: BatchResource;
  importProcessId: number;
}

/** Where to look, how to sign in, and the command to repeat it. */
export function describeService({
  config,
  secrets,
  key,
  signIn,
  batch,
  importProcessId,
}: ServiceFacts): string {
  const { publicUrl } = config;
  const shownKey = key === config.bootstrapApiKey ? '$BOOTSTRAP_API_KEY' : key;
  return `
  The results        ${batch.resultsUrl}
  Recent Imports     ${publicUrl}/imports
  API, to try out    ${publicUrl}/docs
  Job dashboard      ${publicUrl}/queues
  Sign in as         ${signIn}
  API key            ${shownKey}${key === secrets.apiKey ? ` (kept in ${shownPath(secrets.file)})` : ''}

Import it again with curl:

  curl -H "Authorization: apikey ${shownKey}" --data-binary @${shownPath(exampleFile(MEMBER_ROLES, 'members.jsonl'))} \\
    '${publicUrl}/API/WorkflowImportQueue/CreateBatch?importProcessId=${importProcessId}&fileName=members.jsonl'

Ctrl-C stops it; the data stays in ${config.dataDir}.`;
}

/** The shortest form of the path that works from this directory. */
function shownPath(path: string): string {
  const fromHere = relative('.', path);
  return fromHere.startsWith('..') ? path : fromHere;
}
