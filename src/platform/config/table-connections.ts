import { readFileSync } from 'node:fs';
import type { TableConnectionConfig } from './config.js';
import { isServerUrl } from './environment-variables.js';

const VARIABLE = /^TARGET_([A-Z][A-Z0-9_]{0,39})_(URL|URL_FILE|SCHEMAS)$/;
const POSTGRES = {
  protocols: ['postgres:', 'postgresql:'],
  example: 'postgres://user:password@host:5432/database',
  hostOptional: true,
};
const DEFAULT_SCHEMAS = ['public'];
const MAIN = 'main';

/**
 * The connections of the `table` target, by name: `crm` for TARGET_CRM_URL. `main` is the application's own database,
 * so it has schemas only, and none unless they are listed.
 * @param problems receives a sentence for each bad variable
 */
export function readTableConnections(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): ReadonlyMap<string, TableConnectionConfig> {
  const given = new Map<string, { url?: string; file?: string; schemas?: string }>();
  for (const [variable, value = ''] of Object.entries(environment)) {
    const [, name, part] = VARIABLE.exec(variable) ?? [];
    if (name === undefined || value === '') continue;
    const key = name.toLowerCase();
    const connection = given.get(key) ?? {};
    if (part === 'URL') connection.url = value;
    else if (part === 'URL_FILE') connection.file = value;
    else connection.schemas = value;
    given.set(key, connection);
  }
  const connections = new Map<string, TableConnectionConfig>();
  for (const [name, { url, file, schemas }] of [...given].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const variable = `TARGET_${name.toUpperCase()}`;
    const listed = schemas?.split(',').flatMap((schema) => schema.trim() || []) ?? DEFAULT_SCHEMAS;
    if (name === MAIN) {
      if (url !== undefined || file !== undefined)
        problems.push(`${variable}_URL must not be set: main is the database of DATABASE_URL`);
      if (schemas !== undefined) connections.set(name, { url: undefined, schemas: listed });
      continue;
    }
    const address = addressOf(variable, { url, file }, problems);
    if (address !== undefined) connections.set(name, { url: address, schemas: listed });
  }
  return connections;
}

function addressOf(
  variable: string,
  { url, file }: { url: string | undefined; file: string | undefined },
  problems: string[],
): string | undefined {
  if (url !== undefined && file !== undefined) {
    problems.push(`${variable}_URL and ${variable}_URL_FILE must not be set together`);
    return undefined;
  }
  let address = url;
  if (file !== undefined) {
    try {
      address = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push(`${variable}_URL_FILE cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }
  if (address === undefined) {
    problems.push(`${variable}_URL must be set, because ${variable}_SCHEMAS is`);
    return undefined;
  }
  if (isServerUrl(address, POSTGRES)) return address;
  problems.push(
    `${variable}_URL must look like ${POSTGRES.example}, with special characters of the password percent-encoded`,
  );
  return undefined;
}
