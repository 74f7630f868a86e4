import type { BatchResource } from '../../batches/batch-resource.js';
import { columnsAddedByDownloads } from '../../formats/csv/csv-columns.js';
import type { HeaderMapping } from '../../formats/reading.js';
import { isUnnamedColumn } from '../../records/rows.js';
import { filledIn } from '../new-import/row-form.js';
import { text } from '../texts/catalogue.js';

/** The most columns that the page asks about. */
const MOST_ASKED = 200;
/** A longer header does not fit into the name of a form field. */
const LONGEST_NAME = 200;
/** The choice for a column that is not imported. */
const LEFT_OUT = '-';

/** Identifiers begin with a colon, which means nothing to a person. */
export const fieldName = (name: string): string => name.replace(/^:/, '');

type Upload = Pick<BatchResource, 'understood' | 'summary'>;

/** A column of the file and the fields that it can be matched to. */
interface AskedColumn {
  header: string;
  /** The name of the select. */
  field: string;
  state: 'applied' | 'undecided' | 'leftOut';
  leftOut: boolean;
  targets: { name: string; text: string; selected: boolean }[];
  hint: string | null;
  samples: string;
}

/**
 * The columns of a file, those that need a decision first.
 * @param known the fields of a row
 * @param samples the first values of each field
 */
export function askedColumns(
  { understood, summary }: Upload,
  known: readonly string[],
  samples: (target: string) => string,
): AskedColumn[] {
  const columns = understood?.columns ?? [];
  const nearest = new Map(summary?.columns?.unknown.map((column) => [column.header, column.nearest]));
  const added = columnsAddedByDownloads(columns);
  const asked = columns.map(({ header, target }, index): AskedColumn => {
    const isUnknown = nearest.has(header);
    const near = nearest.get(header) ?? null;
    // A saved match may name a field that templates do not have.
    const names = target === null || known.includes(target) ? known : [target, ...known];
    return {
      header,
      field: `column:${isUnnamedColumn(header) || header.length > LONGEST_NAME ? index + 1 : header}`,
      state: target !== null ? 'applied' : near !== null ? 'undecided' : 'leftOut',
      leftOut: target === null && !isUnknown && !isUnnamedColumn(header),
      targets: names.map((name) => ({ name, text: fieldName(name), selected: name === target })),
      hint: near === null ? null : text('confirmation.didYouMean', { field: fieldName(near) }),
      samples: target === null ? '' : samples(target),
    };
  });
  const order = ['undecided', 'leftOut', 'applied'];
  return asked
    .filter(({ header }) => !added.has(header))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .slice(0, MOST_ASKED);
}

/** Browsers send line breaks in the name of a field as CRLF. */
const asSent = (header: string) => header.replace(/\r\n|\r|\n/g, '\r\n');

/** What the form decides about columns, and what was decided before about the others. */
export function mappingOf(form: unknown, { understood }: Upload): HeaderMapping {
  const columns = understood?.columns ?? [];
  const before = typeof understood?.mapping === 'object' ? understood.mapping : {};
  const decided = new Map(Object.entries(before));
  for (const [name, chosen] of filledIn(form)) {
    const column =
      columns.find(({ header }) => asSent(header) === asSent(name)) ??
      (/^[1-9]\d*$/.test(name) ? columns[Number(name) - 1] : undefined);
    if (column === undefined) continue;
    const { header, target } = column;
    if (chosen === '') decided.delete(header);
    else if (chosen === LEFT_OUT) decided.set(header, null);
    // A match that the page proposed and nobody changed is no decision.
    else if (chosen !== target || decided.has(header)) decided.set(header, chosen);
  }
  return Object.fromEntries(decided);
}
