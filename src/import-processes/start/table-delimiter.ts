import { CsvTokenizer } from '../../formats/csv/csv-tokenizer.js';
import { LineLimitError } from '../../formats/record-reader.js';

/** Delimiters that spreadsheets and databases write, most common first. */
const DELIMITERS = [',', ';', '\t', '|'];
const EXAMINED_ROWS = 500;

/**
 * The delimiter of a table below any number of title lines: the one with which most rows have the same number of cells,
 * above one. A comma if no delimiter cuts the rows.
 * @param sample the beginning of the text, which may end anywhere
 */
export function detectTableDelimiter(sample: string): string {
  let best = { delimiter: ',', agreeing: 0, width: 1 };
  for (const delimiter of DELIMITERS) {
    const { agreeing, width } = commonWidth(sample, delimiter);
    const isBetter = agreeing > best.agreeing || (agreeing === best.agreeing && width > best.width);
    if (width > 1 && isBetter) best = { delimiter, agreeing, width };
  }
  return best.delimiter;
}

/** The number of cells that most rows have, and how many rows have it. */
function commonWidth(sample: string, delimiter: string): { width: number; agreeing: number } {
  const widths = new Map<number, number>();
  let rows = 0;
  const tokenizer = new CsvTokenizer(delimiter.charCodeAt(0), sample.length + 1, {
    record: (_line, cells) => {
      rows += 1;
      if (rows <= EXAMINED_ROWS) widths.set(cells.length, (widths.get(cells.length) ?? 0) + 1);
    },
    fault: () => undefined,
  });
  try {
    tokenizer.push(sample);
    tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  return [...widths]
    .filter(([width]) => width > 1)
    .map(([width, agreeing]) => ({ width, agreeing }))
    .reduce((most, each) => (each.agreeing > most.agreeing ? each : most), { width: 1, agreeing: 0 });
}
