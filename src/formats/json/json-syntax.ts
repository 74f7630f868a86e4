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
