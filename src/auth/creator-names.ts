import { Injectable } from '@nestjs/common';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';

/** The display name of each principal who created something: the name of an API key, the e-mail address of a user. */
export type NameOf = (id: string) => string;

const SOURCES = [
  { prefix: 'api-key:', select: 'SELECT api_key_id AS id, name FROM api_key WHERE api_key_id' },
  { prefix: 'user:', select: 'SELECT user_id AS id, email AS name FROM app_user WHERE user_id' },
];

/** Ids of principals that are neither a key nor a user, and ids of neither, are their own names. */
export async function creatorNames(sql: Sql, ids: readonly string[]): Promise<NameOf> {
  const names = new Map<string, string>();
  for (const { prefix, select } of SOURCES) {
    const numbers = ids.filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
    const wanted = [...new Set(numbers)].filter((number) => /^\d{1,15}$/.test(number));
    if (wanted.length === 0) continue;
    const { rows } = await sql.query<{ id: number; name: string }>(`${select} = ANY ($1::bigint[])`, [
      wanted,
    ]);
    for (const { id, name } of rows) names.set(prefix + id, name);
  }
  return (id) => names.get(id) ?? id;
}

/** `creatorNames` for callers that hold no connection. */
@Injectable()
export class CreatorNames {
  constructor(private readonly database: DatabaseService) {}

  of(ids: readonly string[]): Promise<NameOf> {
    return creatorNames(this.database, ids);
  }
}
