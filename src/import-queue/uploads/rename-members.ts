import { jsonMembers } from '../results/json-members.js';

/**
 * A JSON object with other names and the same values, to the last digit.
 * @param names new name of each member, or `null` for one that is left out; members that are not in it keep theirs
 */
export function renameMembers(payload: string, names: ReadonlyMap<string, string | null>): string {
  const members: string[] = [];
  for (const [name, value] of jsonMembers(payload)) {
    const renamed = names.has(name) ? names.get(name) : name;
    if (typeof renamed === 'string') members.push(`${JSON.stringify(renamed)}:${value}`);
  }
  return `{${members.join(',')}}`;
}
