import { LineLimitError } from '../record-reader.js';
import { CsvTokenizer } from './csv-tokenizer.js';

/** What spreadsheets and databases write, most usual first. */
const USUAL = [',', ';', '\t', '|'];
/** Stands in times, addresses and prose as well: only where every record agrees and nothing usual will do. */
const UNUSUAL = [':', '^', '~', '\u001f'];
const EXAMINED_RECORDS = 500;

interface Reading {
  delimiter: string;
  header: readonly string[];
  /** Part of the records that are as wide as the header. */
  agreement: number;
  records: number;
}

/**
 * The delimiter of a file, from its beginning: the one by which the header has columns that are known, else the one by
 * which most records are as wide as the header. A comma where nothing else is proven: then there is one column.
 * @param sample text that may end anywhere, unless it is `whole`
 */
export function detectDelimiter(sample: string, whole: boolean, known: ReadonlySet<string>): string {
  const readings = [...USUAL, ...UNUSUAL].map((delimiter) => read(sample, whole, delimiter));
  const wide = readings.filter(({ header }) => header.length > 1);
  const best = (candidates: readonly Reading[], measure: (reading: Reading) => number) =>
    candidates.reduce<Reading | undefined>(
      (found, each) => (found === undefined || measure(each) > measure(found) ? each : found),
      undefined,
    );
  const knowing = best(wide, ({ header }) => header.filter((name) => known.has(name)).length);
  if (knowing?.header.some((name) => known.has(name)) === true) return knowing.delimiter;
  const usual = wide.filter(({ delimiter }) => USUAL.includes(delimiter));
  const found =
    best(usual, ({ agreement, header }) => agreement + header.length / 1e6) ??
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
    // What is not whole may break off in the middle of a record, which then proves nothing.
    if (whole || header === undefined) tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  return { delimiter, header: header ?? [], agreement: records === 0 ? 0 : agreeing / records, records };
}
