import { readFileSync, statSync } from 'node:fs';
import { type ClientImportProcess, ImportQueueClient } from '../client/index.js';
import { CommandError, environment, EXIT } from './session.js';

export interface ConnectionOptions {
  url?: string;
  key?: string;
  profile?: string;
  retries: number;
}

/** Where the service is, and the key for it. */
export interface Connection {
  url: string;
  key: string;
}

type Profiles = Readonly<Record<string, Partial<Connection> | undefined>>;

/** A flag outranks the environment, and the environment the profile, unless a profile is named. */
export function connectionOf({ url, key, profile: name }: ConnectionOptions): Connection {
  const profile = profileOf(name);
  const variables = name === undefined ? environment : { url: undefined, key: undefined };
  const found = {
    url: url ?? variables.url ?? profile.url,
    key: key ?? variables.key ?? profile.key,
  };
  if (found.url === undefined || !/^https?:\/\//.test(found.url) || !URL.canParse(found.url)) {
    throw new CommandError(
      'Set IMPORT_QUEUE_URL, --url or a profile to the address of the service, for example https://imports.example.org.',
    );
  }
  if (found.key === undefined) {
    throw new CommandError('Set IMPORT_QUEUE_KEY, --key or a profile to an API key.');
  }
  return { url: found.url, key: found.key };
}

export function clientOf(connection: Connection, { retries }: ConnectionOptions): ImportQueueClient {
  return new ImportQueueClient({ ...connection, retries });
}

function profileOf(name: string | undefined): Partial<Connection> {
  const file = environment.profileFile;
  const profiles = readProfiles(file);
  const profile = profiles?.[name ?? 'default'];
  if (profile === undefined && name !== undefined) {
    const known =
      profiles === null ? 'The file does not exist' : `It has: ${Object.keys(profiles).join(', ')}`;
    throw new CommandError(`${file} has no profile "${name}". ${known}.`);
  }
  return profile ?? {};
}

function readProfiles(file: string): Profiles | null {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  // The modes of Windows say nothing about who may read a file.
  if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
    throw new CommandError(`${file} holds keys, and other users can access it. Run: chmod 600 ${file}`);
  }
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Profiles;
  } catch (error) {
    throw new CommandError(`${file} is not JSON: ${(error as Error).message}`);
  }
}

/** Finds an import process by its id, its key or its exact name. */
export async function findImportProcess(client: ImportQueueClient, wanted: string): Promise<number> {
  // The service knows whether the id exists, also where the caller cannot list all of them.
  if (/^[1-9][0-9]{0,14}$/.test(wanted)) return Number(wanted);
  const processes = await client.importProcesses();
  const found = processes.find(({ key }) => key === wanted) ?? processes.find(({ name }) => name === wanted);
  if (found !== undefined) return found.id;
  const known = processes.map((process) => `  ${describeProcess(process)}`).join('\n');
  throw new CommandError(
    `There is no import process "${wanted}" that this key may use. ${known === '' ? 'It may use none.' : `It may use:\n${known}`}`,
    EXIT.refused,
  );
}

export function describeProcess({ id, key, name }: ClientImportProcess): string {
  return [String(id), key, name].filter((part) => part !== undefined).join('  ');
}
