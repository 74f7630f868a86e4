/**
 * What a body that is not JSON Lines probably is, by its beginning. A list of malformed lines does not tell the sender of
 * a CSV file what went wrong.
 */
interface LikelyMistake {
  applies: (beginning: Beginning) => boolean;
  /** A sentence for the sender. */
  advice: string;
}

interface Beginning {
  bytes: Buffer;
  /** As UTF-8, without a byte order mark and white space at the start. */
  text: string;
  firstLine: string;
  lines: number;
}

/** How much of a body is looked at. */
export const EXAMINED_BYTES = 4096;

const MISTAKES: readonly LikelyMistake[] = [
  {
    applies: ({ bytes }) => bytes[0] === 0x1f && bytes[1] === 0x8b,
    advice: 'The body is compressed with gzip: send the header Content-Encoding: gzip with it.',
  },
  {
    applies: ({ bytes }) => bytes.toString('latin1', 0, 4) === 'PK\u0003\u0004',
    advice: 'The body is a workbook or a ZIP archive: send files to POST /API/WorkflowImportQueue/Uploads.',
  },
  {
    applies: ({ bytes }) => isUtf16(bytes),
    advice: 'The body is UTF-16: save it as UTF-8.',
  },
  {
    applies: ({ text }) => text.startsWith('['),
    advice:
      'The body is a JSON array: send one object per line, without the enclosing brackets and without commas between the objects.',
  },
  {
    applies: ({ firstLine }) => /\}\s*\{/.test(firstLine),
    advice:
      'There are several objects in the first line: line ends are missing. With curl, use --data-binary instead of -d, which removes them.',
  },
  {
    applies: ({ firstLine, lines }) => lines > 1 && /^\{\s*("[^"]*"\s*:.*[,[{])?\s*$/.test(firstLine),
    advice: 'The body is JSON over several lines: write each object on one line.',
  },
  {
    applies: ({ firstLine }) => /^[^{["].*[,;\t]/.test(firstLine) || /^"[^"]*"[,;\t]/.test(firstLine),
    advice: 'The body looks like CSV: send files to POST /API/WorkflowImportQueue/Uploads.',
  },
];

/**
 * Advice for the sender of a malformed body; `null` if it looks like JSON Lines.
 * @param bytes at least the first `EXAMINED_BYTES` of the body, or all of it
 */
export function likelyMistake(bytes: Buffer): string | null {
  const text = bytes.toString('utf8', 0, EXAMINED_BYTES).replace(/^[\ufeff\s]+/, '');
  const lines = text.split(/\r?\n/);
  const beginning = { bytes, text, firstLine: lines[0] ?? '', lines: lines.length };
  return MISTAKES.find(({ applies }) => applies(beginning))?.advice ?? null;
}

/** With a byte order mark, or with every other byte zero, as in text of ASCII characters. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second, third, fourth] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  return (
    (first === 0 && third === 0 && second !== 0 && fourth !== 0) ||
    (first !== 0 && third !== 0 && second === 0 && fourth === 0)
  );
}
