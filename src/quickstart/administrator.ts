import type { INestApplication } from '@nestjs/common';
import { FirstAdministrator } from '../auth/users/first-administrator.js';
import type { AppConfig } from '../config/config.js';

/**
 * Where nobody can sign in yet, an administrator is made. Answers how to sign in: the password is shown this once and
 * kept nowhere, so it stays that of the person who reads it, or who has changed it since.
 */
export async function ensureAdministrator(app: INestApplication, config: AppConfig): Promise<string> {
  if (config.bootstrapAdminEmail !== undefined)
    return `${config.bootstrapAdminEmail} with the password you set`;
  const made = await app.get(FirstAdministrator, { strict: false }).createIfAlone('admin@example.org');
  if (made === null) return 'whom you have; the first password was shown once, by the first quickstart';
  return `${made.email} with ${made.password} (shown this once)`;
}
