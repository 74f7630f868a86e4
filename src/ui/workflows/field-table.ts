import { isListType, type ProposedField } from '../../import-processes/start/file-proposal.js';
import { ATTRIBUTE_TYPES, type AttributeType } from '../../workflows/definition.js';
import { text } from '../texts/catalogue.js';

/** The table in which people adjust the fields of a workflow: `field:{row}:{member}` for each member of a row. */

/** A row as it was entered. */
export interface EnteredField {
  header: string;
  name: string;
  type: AttributeType;
  options: string[];
  required: boolean;
  identifier: boolean;
  imported: boolean;
}

const MOST_ROWS = 250;

/** @param samples of each field, which a form does not send back */
export function fieldRows(fields: readonly EnteredField[], samples: readonly (readonly string[])[]) {
  return fields.slice(0, MOST_ROWS).map(({ options, type, ...field }, index) => ({
    ...field,
    index,
    label: field.name || field.header || text('fieldTable.newField'),
    options: options.join('\n'),
    types: ATTRIBUTE_TYPES.map((value) => ({
      value,
      text: text(`fieldTable.types.${value}`),
      selected: value === type,
    })),
    samples: samples[index] ?? [],
  }));
}

/** The fields of a form, in the order of its rows. */
export function enteredFields(form: unknown): EnteredField[] {
  return tableRows(form, 'field').map(enteredField);
}

/** The rows of a table in a form: the members of each, which the form has as `{table}:{row}:{member}`. */
export function tableRows(form: unknown, table: string): ReadonlyMap<string, string>[] {
  const rows = new Map<number, Map<string, string>>();
  for (const [field, value] of Object.entries((form ?? {}) as Record<string, unknown>)) {
    const [, name, row, member] = /^(\w+):(\d{1,4}):(\w+)$/.exec(field) ?? [];
    if (name !== table || member === undefined || typeof value !== 'string') continue;
    const members = rows.get(Number(row)) ?? new Map<string, string>();
    rows.set(Number(row), members.set(member, value));
  }
  return [...rows].sort(([a], [b]) => a - b).map(([, members]) => members);
}

function enteredField(members: ReadonlyMap<string, string>): EnteredField {
  const type = ATTRIBUTE_TYPES.find((known) => known === members.get('type')) ?? 'ShortText';
  const options = isListType(type) ? (members.get('options') ?? '').split(/\r?\n/) : [];
  return {
    header: members.get('header') ?? '',
    name: (members.get('name') ?? '').trim(),
    type,
    options: [...new Set(options.map((option) => option.trim()).filter((option) => option !== ''))],
    required: members.has('required'),
    identifier: members.has('identifier'),
    imported: members.has('imported'),
  };
}

/**
 * What is wrong with the fields, in words; nothing if they can be saved.
 * @param needsIdentifier whether one of the fields must identify
 */
export function fieldMistakes(fields: readonly EnteredField[], needsIdentifier = true): string[] {
  const imported = fields.filter((field) => field.imported);
  const names = imported.map(({ name }) => name.toLowerCase());
  const repeated = imported.filter(({ name }, index) => names.indexOf(name.toLowerCase()) !== index);
  return [
    ...(needsIdentifier && imported.length === 0 ? [text('fieldTable.error.none')] : []),
    ...(needsIdentifier && imported.length > 0 && !imported.some(({ identifier }) => identifier)
      ? [text('fieldTable.error.noIdentifier')]
      : []),
    ...imported
      .filter(({ name }) => name === '')
      .map(({ header }) => text('fieldTable.error.noName', { header })),
    ...repeated
      .filter(({ name }) => name !== '')
      .map(({ name }) => text('fieldTable.error.repeated', { name })),
    ...imported
      .filter(({ identifier, type, options }) => !identifier && isListType(type) && options.length === 0)
      .map(({ name }) => text('fieldTable.error.noOptions', { name })),
  ];
}

/** The entered fields, with the samples of the file. */
export function withSamples(
  entered: readonly EnteredField[],
  proposed: readonly ProposedField[],
): ProposedField[] {
  const samples = new Map(proposed.map((field) => [field.header, field.samples]));
  return entered.map((field) => ({ ...field, samples: samples.get(field.header) ?? [] }));
}
