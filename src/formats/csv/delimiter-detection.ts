import { LineLimitError } from '../record-reader.js';
import { CsvTokenizer } from './csv-tokenizer.js';

/** Delimiters that spreadsheets and databases write, most common first. */
const COMMON = [',', ';', '\t', '|'];
/** These also occur in times, addresses and prose, so they apply only if every record agrees and no common one fits. */
const UNCOMMON = [':', '^', '~', '\u001f'];
const EXAMINED_RECORDS = 500;

interface Reading {
  delimiter: string;
  header: readonly string[];
  /** The share of records with as many cells as the header. */
  agreement: number;
  records: number;
}

/**
 * The delimiter of a file, detected from its beginning: the one that gives a header with known columns, else the one
 * that gives the most records as many cells as the header. Without evidence it is a comma, and the file has one column.
 * @param sample the beginning of the text, which may end anywhere unless it is `whole`
 */
export function detectDelimiter(sample: string, whole: boolean, known: ReadonlySet<string>): string {
  const readings = [...COMMON, ...UNCOMMON].map((delimiter) => read(sample, whole, delimiter));
  const wide = readings.filter(({ header }) => header.length > 1);
  const best = (candidates: readonly Reading[], measure: (reading: Reading) => number) =>
    candidates.reduce<Reading | undefined>(
      (found, each) => (found === undefined || measure(each) > measure(found) ? each : found),
      undefined,
    );
  const knowing = best(wide, ({ header }) => header.filter((name) => known.has(name)).length);
  if (knowing?.header.some((name) => known.has(name)) === true) return knowing.delimiter;
  const common = wide.filter(({ delimiter }) => COMMON.includes(delimiter));
  const found =
    best(common, ({ agreement, header }) => agreement + header.length / 1e6) ??
    best(wide.filter(isCertain), ({ header }) => header.length);
  return found?.delimiter ?? ',';
}

function isCertain({ header, agreement, records }: Reading): boolean {
  return records > 1 && agreement === 1 && header.every((name) => name.trim() !== '');
}

function read(sample: string, whole: boolean, delimiter: string): Reading {
  let header: readonly string[] | undefined;
  let records = 0;
  let agreeing = 0;
  const note = (cells: readonly (string | null)[] | null) => {
    if (records >= EXAMINED_RECORDS) return;
    records += 1;
    header ??= (cells ?? []).map((cell) => cell ?? '');
    if (cells?.length === header.length) agreeing += 1;
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
  return { delimiter, header: header ?? [], agreement: records === 0 ? 0 : agreeing / records, records };
}
