import { oneLine } from '../../platform/wording.js';
import { trimEnds } from '../../records/rows.js';
import type { AttributeDefinition, AttributeType, WorkflowDefinition } from '../../workflows/definition.js';
import type { ImportProcessInput } from '../import-process.js';
import { isCodeName } from './column-traits.js';
import type { StartColumn, SurveyedFile } from './file-survey.js';

/** One column of a file as a field of a new workflow. People can change all of it but the header. */
export interface ProposedField {
  header: string;
  /** Without the colon that marks identifiers in rows. */
  name: string;
  type: AttributeType;
  /** For lists. */
  options: string[];
  required: boolean;
  /** Rows with the same value are about the same thing. */
  identifier: boolean;
  imported: boolean;
  samples: string[];
}

/** What a file is proposed to become. */
export interface FileProposal {
  /** The name of the import process and the title of the workflow. */
  name: string;
  fields: ProposedField[];
}

const LONGEST_NAME = 200;
const LONGEST_WORKFLOW_NAME = 90;
/** A column identifies if at most this share of its values is blank or occurs twice: files have duplicates. */
const IDENTIFYING_SHARE = 0.9;
const CODE_SHARE = 0.8;

export function proposeFor(fileName: string, { columns }: Pick<SurveyedFile, 'columns'>): FileProposal {
  const identifier = identifyingColumn(columns);
  const names = fieldNames(columns.map(({ header }) => header));
  return {
    name: nameFromFile(fileName),
    fields: columns.map((column, index) => ({
      header: column.header,
      name: names[index] ?? '',
      type: column.type,
      options: column.options,
      required: column === identifier || column.required,
      identifier: column === identifier,
      // A column without a value anywhere would only be in the way, and no field can hold nested values.
      imported: column.samples.length > 0 && !column.isNested,
      samples: column.samples,
    })),
  };
}

/** The column that most likely identifies: one with a name such as "ID", else e-mail addresses, else any unique one. */
function identifyingColumn(columns: readonly StartColumn[]): StartColumn | undefined {
  const isUsable = ({ header, type, isNested }: StartColumn) =>
    !isNested && !isContactName(header) && ['ShortText', 'Email', 'Numeric'].includes(type);
  const usable = columns.filter(isUsable);
  const best = (candidates: readonly StartColumn[], share: number) =>
    candidates.find(({ distinctShare }) => distinctShare >= share);
  return (
    best(
      usable.filter(({ header }) => isIdName(header)),
      CODE_SHARE,
    ) ??
    best(
      usable.filter(({ type }) => type === 'Email'),
      IDENTIFYING_SHARE,
    ) ??
    best(
      usable.filter(({ header }) => isCodeName(header)),
      IDENTIFYING_SHARE,
    ) ??
    best(usable, 1)
  );
}

const ID_NAME = /(^|[^\p{L}])(id|uuid|guid|key|nr|no|number|nummer|code)$|(id|nr|nummer|number)$/iu;
const CONTACT_NAME = /phone|tel|fax|mobil|plz|zip|post|iban|bic/i;

function isIdName(header: string): boolean {
  return ID_NAME.test(trimEnds(header).replace(/[.:#]+$/, ''));
}

function isContactName(header: string): boolean {
  return CONTACT_NAME.test(header);
}

/** "hr_members-2025.csv" becomes "Hr members 2025". */
function nameFromFile(fileName: string): string {
  const stem = oneLine(fileName.replace(/^.*[/\\]/, '').replace(/(\.[A-Za-z0-9]{1,6})+$/, ''))
    .replace(/[_-]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, LONGEST_NAME - 10)
    .toWellFormed();
  return stem === '' ? 'New file type' : stem.charAt(0).toUpperCase() + stem.slice(1);
}

/** A name for each header that a workflow accepts, each different from the others. */
function fieldNames(headers: readonly string[]): string[] {
  const taken = new Set<string>();
  return headers.map((header, index) => {
    const base = fieldName(header, index + 1);
    let name = base;
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) name = `${base} ${number}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function fieldName(header: string, place: number): string {
  const name = trimEnds(
    header
      .replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ')
      .replace(/[{}]/g, '')
      .replace(/^[\s:_=+@-]+/, ''),
  ).slice(0, LONGEST_NAME - 10);
  if (name === '' || /^\(column \d+\)$/.test(header)) return `Column ${place}`;
  return name === 'now' || /^workflow/i.test(name) ? `Field ${name}` : name;
}

/** The number that makes the n-th name of this kind different: " 2" for the second. */
export function numbered(name: string, attempt: number): string {
  return attempt === 1 ? name : `${name} ${attempt}`;
}

/** The part of addresses that a workflow of this title gets. */
export function workflowNameFrom(title: string): string {
  const name = title
    .normalize('NFKD')
    .replace(/ß/g, 'ss')
    .replace(/[\p{M}]/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, LONGEST_WORKFLOW_NAME)
    .toLowerCase();
  return name === '' ? 'workflow' : name;
}

const STEP = 'Import';
const ACTION = 'Save';

/** The workflow with the imported fields, whose one action saves a row. */
export function proposedWorkflow(title: string, fields: readonly ProposedField[]): WorkflowDefinition {
  const imported = fields.filter((field) => field.imported);
  const attributes = imported.filter(({ identifier }) => !identifier);
  return {
    name: workflowNameFrom(title),
    title,
    entityType: title,
    identifiers: imported.filter(({ identifier }) => identifier).map(identifierOf),
    attributes: attributes.map(attributeOf),
    steps: [
      {
        name: STEP,
        kind: 'dataImport',
        actions: [
          {
            id: 1,
            name: ACTION,
            inputs: attributes.map(({ name }) => name),
            required: attributes.filter(({ required }) => required).map(({ name }) => name),
            primary: { kind: 'save' },
          },
        ],
      },
    ],
  };
}

function identifierOf({ name, type }: ProposedField) {
  return {
    name: identifierName(name),
    unique: true,
    ...(type === 'Email' && { format: 'email' as const, caseInsensitive: true }),
  };
}

function attributeOf({ name, type, options }: ProposedField): AttributeDefinition {
  return { name, type, ...(isListType(type) && { options }) };
}

export function isListType(type: AttributeType): boolean {
  return type === 'PickList' || type === 'MultiSelectList';
}

/** Rows mark identifiers by a colon. */
const identifierName = (name: string) => `:${name}`;

/** The import process whose rows perform the action of the proposed workflow. */
export function proposedImportProcess(
  name: string,
  workflow: Pick<WorkflowDefinition, 'name'>,
  description: string,
): ImportProcessInput {
  return {
    ...{ name, description, note: '', icon: 'file-import', displayOrder: 0, status: 'active' },
    ...{ retentionDays: null, ordered: false, recordSchema: null },
    ...{ timeZone: 'UTC', allowWithoutIdentifier: false },
    ...{ priority: 'normal', maxFailed: null, maxFailedPercent: null },
    target: {
      kind: 'workflow',
      workflow: workflow.name,
      step: STEP,
      action: ACTION,
      onNoMatch: 'create',
      onMatch: 'update',
    },
  };
}

/** Which field each column of the file is; `null`: not imported. */
export function proposedMapping(fields: readonly ProposedField[]): Record<string, string | null> {
  return Object.fromEntries(
    fields.map(({ header, name, identifier, imported }) => [
      header,
      imported ? (identifier ? identifierName(name) : name) : null,
    ]),
  );
}
