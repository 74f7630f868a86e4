import type { Replacement } from '../batches/fix-drafts.sql.js';
import type { RowColumn } from '../records/target.js';
import { cellJson, cellText, jsonMembers } from '../formats/json/json-members.js';

/** What is changed in one failed row. A field that the row lacks is replaced like an empty one. */
export interface RowChanges {
  replacements: readonly Replacement[];
  /** The text of each changed cell, by field. */
  cells?: ReadonlyMap<string, string>;
}

/** The fields that rows may have. */
export type KnownFields = ReadonlyMap<string, Pick<RowColumn, 'literal' | 'nullable'>>;

/**
 * A failed row with its changes: the replacements first, then the cells. Values that do not change stay exactly as they
 * were sent, to the last digit. A cell that was cleared becomes `null`; if rows have no such field, it is removed.
 * @param known the fields that rows may have
 */
export function fixedRow(payload: string, changes: RowChanges, known: KnownFields): string {
  const members = jsonMembers(payload);
  let isChanged = false;
  const set = (name: string, text: string) => {
    isChanged = true;
    if (text !== '') members.set(name, cellJson(text, known.get(name)));
    else if (members.has(name)) {
      if (known.has(name)) members.set(name, 'null');
      else members.delete(name);
    }
  };
  for (const { field, from, to } of changes.replacements) {
    const text = cellText(members.get(field)) ?? '';
    if (text === from && text !== to) set(field, to);
  }
  for (const [name, sent] of changes.cells ?? []) {
    const before = cellText(members.get(name)) ?? '';
    // A browser sends every line break as CRLF, whatever the value had.
    const text = before.includes('\r\n') ? sent : withLineFeeds(sent);
    if (!isSameText(text, before)) set(name, text);
  }
  return isChanged ? rowText(members) : payload;
}

/** Whether a form field that shows one text still shows it when it comes back as the other: line breaks may differ. */
export function isSameText(text: string, other: string): boolean {
  return withLineFeeds(text) === withLineFeeds(other);
}

/**
 * A failed row with these members.
 * @param members the JSON of each value, exactly as it is to be stored
 */
export function rowWith(payload: string, members: ReadonlyMap<string, string>): string {
  return rowText(new Map([...jsonMembers(payload), ...members]));
}

function rowText(members: ReadonlyMap<string, string>): string {
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

function withLineFeeds(text: string): string {
  return text.replace(/\r\n|\r/g, '\n');
}
