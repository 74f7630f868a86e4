import { exceeds, WORKBOOK_LIMITS } from './workbook-limits.js';
import { CellText } from './workbook-cells.js';
import { readXml } from './xml-part.js';

const ESCAPED = /_x([0-9a-fA-F]{4})_/g;

/** Decodes `_xHHHH_`, with which Office writes characters that XML cannot hold; once, so `_x005F_x000D_` is literal. */
export function withoutEscapes(text: string): string {
  if (!text.includes('_x')) return text;
  return text.replace(ESCAPED, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

const FIRST_BYTES = 1024 ** 2;

/**
 * The texts that cells refer to by number. A million of them as JavaScript strings would take several hundred megabytes,
 * so they are kept as UTF-8 in one buffer, outside the heap, with the end of each.
 */
export class SharedStrings {
  private bytes = Buffer.allocUnsafe(FIRST_BYTES);
  private ends = new Uint32Array(1024);
  private used = 0;
  private count = 0;

  /** @returns `undefined` past the end */
  get(index: number): string | undefined {
    if (index < 0 || index >= this.count) return undefined;
    const start = index === 0 ? 0 : (this.ends[index - 1] ?? 0);
    return withoutEscapes(this.bytes.toString('utf8', start, this.ends[index]));
  }

  add(text: string): void {
    if (this.count === WORKBOOK_LIMITS.sharedStrings)
      throw exceeds('shared strings', WORKBOOK_LIMITS.sharedStrings);
    this.reserve(text.length * 3);
    this.used += this.bytes.write(text, this.used);
    if (this.used > WORKBOOK_LIMITS.sharedStringBytes) {
      throw exceeds('bytes of shared strings', WORKBOOK_LIMITS.sharedStringBytes);
    }
    if (this.count === this.ends.length) {
      const larger = new Uint32Array(this.ends.length * 2);
      larger.set(this.ends);
      this.ends = larger;
    }
    this.ends[this.count] = this.used;
    this.count += 1;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(Math.ceil(this.bytes.length * 1.5), this.used + bytes));
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
  }
}

/** Reads the part that holds the shared strings. @param isMain whether a namespace is the one of spreadsheets */
export async function readSharedStrings(
  pieces: AsyncIterable<Buffer>,
  isMain: (uri: string) => boolean,
): Promise<SharedStrings> {
  const strings = new SharedStrings();
  const text = new CellText();
  let isText = false;
  let phonetic = 0;
  await readXml(pieces, {
    open({ local, uri }) {
      if (!isMain(uri)) return;
      if (local === 't') isText = phonetic === 0;
      else if (local === 'rPh') phonetic += 1;
    },
    close({ local, uri }) {
      if (!isMain(uri)) return;
      if (local === 't') isText = false;
      else if (local === 'rPh') phonetic -= 1;
      else if (local === 'si') {
        const found = text.take();
        text.checked(withoutEscapes(found));
        strings.add(found);
      }
    },
    text(found) {
      if (isText) text.add(found);
    },
  });
  return strings;
}
