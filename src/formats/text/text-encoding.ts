/** Writes text in one encoding of the Encoding Standard. */
export interface TextEncoding {
  /** The name in the Encoding Standard, for example `windows-1252`. */
  readonly encoding: string;
  /** Whether every character can be written. */
  canWrite(text: string): boolean;
  /** The bytes of the text. Characters that the encoding lacks are written as `\uHHHH`. */
  encode(text: string): Buffer;
}

/** One byte for each of these characters, or two bytes, the first of which is at least 0x81. */
const TWO_BYTE = new Set(['shift_jis', 'gbk', 'big5', 'euc-kr']);
const UNWRITABLE = new Set(['iso-2022-jp', 'euc-jp', 'gb18030', 'replacement', 'x-user-defined']);

/** @returns `null` for an encoding that we read but do not write @throws RangeError for an unknown label */
export function textEncoding(label: string): TextEncoding | null {
  const { encoding } = new TextDecoder(label);
  if (encoding === 'utf-8') return UTF_8;
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return utf16(encoding);
  if (UNWRITABLE.has(encoding)) return null;
  return new TableEncoding(encoding);
}

const UTF_8: TextEncoding = {
  encoding: 'utf-8',
  canWrite: () => true,
  encode: (text) => Buffer.from(text, 'utf8'),
};

function utf16(encoding: string): TextEncoding {
  return {
    encoding,
    canWrite: () => true,
    encode: (text) => {
      const bytes = Buffer.from(text, 'utf16le');
      return encoding === 'utf-16be' ? bytes.swap16() : bytes;
    },
  };
}

/** The bytes of every character, found by decoding all bytes, so that both directions agree. */
class TableEncoding implements TextEncoding {
  private readonly bytes = new Map<string, number>();

  constructor(readonly encoding: string) {
    const decoder = new TextDecoder(encoding);
    const add = (code: number, ...bytes: number[]) => {
      const text = decoder.decode(Uint8Array.from(bytes));
      if ([...text].length === 1 && text !== '\ufffd' && !this.bytes.has(text)) this.bytes.set(text, code);
    };
    for (let byte = 0; byte < 256; byte += 1) add(byte, byte);
    if (!TWO_BYTE.has(encoding)) return;
    for (let lead = 0x81; lead < 0xff; lead += 1) {
      for (let trail = 0x40; trail < 0xff; trail += 1) add(lead * 256 + trail, lead, trail);
    }
  }

  canWrite(text: string): boolean {
    for (const character of text) if (!this.bytes.has(character)) return false;
    return true;
  }

  encode(text: string): Buffer {
    const found: number[] = [];
    for (const character of text) {
      const code = this.bytes.get(character);
      if (code === undefined) for (const byte of escaped(character)) found.push(byte);
      else if (code < 256) found.push(code);
      else found.push(code >> 8, code & 0xff);
    }
    return Buffer.from(found);
  }
}

function escaped(character: string): Buffer {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return Buffer.from(units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join(''), 'latin1');
}
