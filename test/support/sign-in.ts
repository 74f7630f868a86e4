import { Client } from 'pg';
import { hashPassword } from '../../src/auth/passwords.js';
import type { UserRole } from '../../src/auth/principal.js';
import type { TestApp } from './test-app.js';

export const TEST_PASSWORD = 'correct horse battery staple';
const passwordHash = hashPassword(TEST_PASSWORD);

/** Creates a user of the role in the database: `<role>@example.org` by default. Answers its id. */
export async function storeUser(
  { database }: Pick<TestApp, 'database'>,
  role: UserRole,
  email = `${role}@example.org`,
): Promise<number> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO app_user (email, password_hash, role, created_by) VALUES ($1, $2, $3, 'test')
       ON CONFLICT (email) DO UPDATE SET role = excluded.role RETURNING user_id AS id`,
      [email, await passwordHash, role],
    );
    return Number(rows[0]!.id);
  } finally {
    await client.end();
  }
}

/** The headers of a form on our pages: the browser adds the origin. */
export function submit(
  { url }: Pick<TestApp, 'url'>,
  path: string,
  fields: Record<string, string | string[]>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, each]),
  );
  return fetch(url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: url, ...headers },
    body: new URLSearchParams(pairs),
  });
}

/** The cookie an answer sets, as a browser would send it back; `null` when it sets none. */
export function sessionCookieOf(response: Response): string | null {
  const [cookie] = response.headers.getSetCookie();
  return cookie?.split(';')[0] ?? null;
}

/**
 * Signs in as a user of the role, who is made if missing, through the sign-in page. Answers the `Cookie` header of the
 * session; a write needs `origin: app.url` besides.
 */
export async function signIn(
  app: TestApp,
  role: UserRole = 'administrator',
  email = `${role}@example.org`,
): Promise<string> {
  await storeUser(app, role, email);
  const response = await submit(app, '/login', { email, password: TEST_PASSWORD });
  const cookie = sessionCookieOf(response);
  if (response.status !== 303 || cookie === null)
    throw new Error(`the sign-in was answered ${response.status}: ${await response.text()}`);
  return cookie;
}
