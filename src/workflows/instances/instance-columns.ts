import { csvLine } from '../../import-queue/results/csv-cells.js';
import { jsonMembers, memberText } from '../../import-queue/results/json-members.js';
import type { WorkflowDefinition } from '../definition.js';
import { escapeOption } from '../rows/values/multi-select-list.js';
import type { InstanceRow } from './select-instances.js';

/** What we add to identifiers and attributes; they come last, and an upload leaves them aside. */
const OUR_COLUMNS = ['_id', '_status', '_step', '_createdAt', '_updatedAt'] as const;

/**
 * The columns of an export, which can be imported again as it is where they all are inputs of the action. Those that are
 * not (behaviors set them, or the definition dropped them) are unknown columns of the file like any other: left aside
 * unasked, what somebody changed in them would be lost without a word.
 */
export class InstanceColumns {
  private readonly names: readonly string[];

  /** @param versions every version of the workflow, the current one first: instances may have what it dropped */
  constructor(versions: readonly WorkflowDefinition[]) {
    this.names = [
      ...new Set(versions.flatMap(({ identifiers }) => identifiers.map(({ name }) => name))),
      ...new Set(versions.flatMap(({ attributes }) => attributes.map(({ name }) => name))),
    ];
  }

  get header(): string {
    return csvLine([...this.names, ...OUR_COLUMNS]);
  }

  line(row: InstanceRow): string {
    const members = jsonMembers(row.attributes);
    return csvLine([
      ...this.names.map((name) => attributeCell(members.get(name))),
      String(row.id),
      row.status,
      row.step,
      row.createdAt.toISOString(),
      row.updatedAt.toISOString(),
    ]);
  }
}

/** As the attribute's type reads it: the options of a MultiSelectList are separated by semicolons. */
function attributeCell(json: string | undefined): string | null {
  if (json?.startsWith('[') !== true) return memberText(json);
  return (JSON.parse(json) as unknown[]).map((option) => escapeOption(String(option))).join(';');
}
