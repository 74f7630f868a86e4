/** The place at which a text stops being JSON (RFC 8259). `index` counts UTF-16 units from 0. */
export interface JsonSyntaxError {
  index: number;
  message: string;
}

const WHITE_SPACE = /[ \t\n\r]*/y;
const STRING_PART = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

type Expectation = 'value' | 'firstKeyOrEnd' | 'key' | 'firstValueOrEnd' | 'commaOrEnd';

/**
 * Finds the first place at which a text is not JSON; `null` if it is JSON. `JSON.parse` decides what is JSON, but its
 * messages do not always carry a position, and they differ between versions of Node. Called only for refused lines. It
 * keeps its own stack, so that no depth of nesting can overflow the stack of the process.
 */
export function findJsonSyntaxError(text: string): JsonSyntaxError | null {
  const scanner = new Scanner(text);
  return scanner.scan();
}

class Scanner {
  private index = 0;
  private readonly closers: ('}' | ']')[] = [];

  constructor(private readonly text: string) {}

  scan(): JsonSyntaxError | null {
    let expected: Expectation = 'value';
    for (;;) {
      this.skip(WHITE_SPACE);
      const next: Expectation | JsonSyntaxError = this.step(expected);
      if (typeof next !== 'string') return next;
      if (next === 'commaOrEnd' && this.closers.length === 0) return this.atEnd();
      expected = next;
    }
  }

  private step(expected: Expectation): Expectation | JsonSyntaxError {
    const character = this.text[this.index];
    const closer = this.closers.at(-1);
    switch (expected) {
      case 'firstKeyOrEnd':
        return character === '}' ? this.close() : this.key();
      case 'key':
        return this.key();
      case 'firstValueOrEnd':
        return character === ']' ? this.close() : this.value();
      case 'value':
        return this.value();
      case 'commaOrEnd':
        if (character === closer) return this.close();
        if (character !== ',') return this.unexpected(`a comma or "${closer}"`);
        this.index += 1;
        return closer === '}' ? 'key' : 'value';
    }
  }

  private value(): Expectation | JsonSyntaxError {
    switch (this.text[this.index]) {
      case '{':
        this.index += 1;
        this.closers.push('}');
        return 'firstKeyOrEnd';
      case '[':
        this.index += 1;
        this.closers.push(']');
        return 'firstValueOrEnd';
      case '"':
        return this.string() ?? 'commaOrEnd';
      default:
        return this.skip(NUMBER) || this.skip(LITERAL) ? 'commaOrEnd' : this.unexpected('a value');
    }
  }

  private key(): Expectation | JsonSyntaxError {
    if (this.text[this.index] !== '"') return this.unexpected('a key in double quotes');
    const error = this.string();
    if (error) return error;
    this.skip(WHITE_SPACE);
    if (this.text[this.index] !== ':') return this.unexpected('a colon');
    this.index += 1;
    return 'value';
  }

  private string(): JsonSyntaxError | null {
    this.index += 1;
    for (;;) {
      this.skip(STRING_PART);
      const character = this.text[this.index];
      if (character === '"') {
        this.index += 1;
        return null;
      }
      if (character === '\\') {
        if (!this.skip(ESCAPE))
          return { index: this.index, message: 'a backslash that does not begin a JSON escape' };
      } else if (character === undefined) {
        return { index: this.index, message: 'the line ends inside a string' };
      } else {
        return {
          index: this.index,
          message: `the control character ${codeOf(character)} must be escaped in a string`,
        };
      }
    }
  }

  private close(): Expectation {
    this.index += 1;
    this.closers.pop();
    return 'commaOrEnd';
  }

  private atEnd(): JsonSyntaxError | null {
    this.skip(WHITE_SPACE);
    return this.index === this.text.length ? null : this.unexpected('the end of the line');
  }

  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.index;
    const matched = pattern.exec(this.text);
    if (matched === null || matched[0] === '') return false;
    this.index += matched[0].length;
    return true;
  }

  private unexpected(expected: string): JsonSyntaxError {
    const character = this.text[this.index];
    const found = character === undefined ? 'the line ends' : `found ${describe(character)}`;
    return { index: this.index, message: `${found} where ${expected} was expected` };
  }
}

function describe(character: string): string {
  return /[\x21-\x7e]/.test(character) ? `"${character}"` : codeOf(character);
}

function codeOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

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
