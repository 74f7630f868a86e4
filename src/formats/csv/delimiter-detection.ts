import { LineLimitError } from '../record-reader.js';
import type { FieldNames } from './csv-columns.js';
import { CsvTokenizer } from './csv-tokenizer.js';

/** Delimiters that spreadsheets and databases write, most common first. */
const COMMON = [',', ';', '\t', '|'];
/** These also occur in times, addresses and prose, so they apply only if every record agrees and no common one fits. */
const UNCOMMON = [':', '^', '~', '\u001f'];
const EXAMINED_RECORDS = 500;

/** Titles and comments may stand before the header. */
const ROWS_BEFORE_DATA = 20;

interface DelimiterTrial {
  delimiter: string;
  /** The first record. */
  header: readonly string[];
  /** The most fields that one of the first records names. */
  fields: number;
  /** The most frequent number of cells. */
  width: number;
  /** The share of records with as many cells as the header. */
  agreement: number;
  records: number;
}

/**
 * The delimiter of a file, detected from its beginning: the one that gives a header with known columns, else the one
 * that gives the most records as many cells as the header. Without evidence it is a comma, and the file has one column.
 * @param sample the beginning of the text, which may end anywhere unless it is `whole`
 */
export function detectDelimiter(sample: string, whole: boolean, known: FieldNames): string {
  const readings = [...COMMON, ...UNCOMMON].map((delimiter) => read(sample, whole, delimiter, known));
  const wide = readings.filter(({ header }) => header.length > 1);
  const best = (candidates: readonly DelimiterTrial[], measure: (reading: DelimiterTrial) => number) =>
    candidates.reduce<DelimiterTrial | undefined>(
      (found, each) => (found === undefined || measure(each) > measure(found) ? each : found),
      undefined,
    );
  const knowing = best(
    readings.filter(({ width }) => width > 1),
    ({ fields }) => fields,
  );
  if (knowing !== undefined && knowing.fields > 0) return knowing.delimiter;
  const common = wide.filter(({ delimiter }) => COMMON.includes(delimiter));
  const found =
    best(common, ({ agreement, header }) => agreement + header.length / 1e6) ??
    best(wide.filter(isCertain), ({ header }) => header.length) ??
    // A title of one cell stands first, and the records below it have several.
    best(
      readings.filter(({ delimiter, width }) => width > 1 && COMMON.includes(delimiter)),
      ({ width }) => width,
    );
  return found?.delimiter ?? ',';
}

function isCertain({ header, agreement, records }: DelimiterTrial): boolean {
  return records > 1 && agreement === 1 && header.every((name) => name.trim() !== '');
}

function read(sample: string, whole: boolean, delimiter: string, known: FieldNames): DelimiterTrial {
  let header: readonly string[] | undefined;
  let records = 0;
  let agreeing = 0;
  let fields = 0;
  const widths = new Map<number, number>();
  const note = (cells: readonly (string | null)[] | null) => {
    if (records >= EXAMINED_RECORDS) return;
    records += 1;
    const names = (cells ?? []).map((cell) => cell ?? '');
    header ??= names;
    if (cells?.length === header.length) agreeing += 1;
    widths.set(names.length, (widths.get(names.length) ?? 0) + 1);
    if (records > ROWS_BEFORE_DATA || known.areOpen) return;
    fields = Math.max(fields, names.filter((name) => known.find(name) !== null).length);
  };
  const tokenizer = new CsvTokenizer(delimiter.charCodeAt(0), sample.length + 1, {
    record: (_, cells) => note(cells),
    fault: () => note(null),
  });
  try {
    tokenizer.push(sample);
    // An incomplete sample may end in the middle of a record, which then proves nothing.
    if (whole || header === undefined) tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  const [width = 0] = [...widths].sort(([, a], [, b]) => b - a)[0] ?? [];
  return {
    delimiter,
    header: header ?? [],
    fields,
    width,
    agreement: records === 0 ? 0 : agreeing / records,
    records,
  };
}
