import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from 'saxes';
import { DamagedWorkbookError, exceeds, WORKBOOK_LIMITS } from './workbook-limits.js';

export type XmlTag = SaxesTagNS;

/** What a reader of one kind of part does with its elements. */
export interface XmlHandlers {
  open(tag: XmlTag): void;
  close(tag: XmlTag): void;
  /** Text and CDATA sections between tags. */
  text(text: string): void;
}

const UTF16 = [
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
  ['utf-16le', [0x3c, 0x00]],
  ['utf-16be', [0x00, 0x3c]],
] as const;
/** The length of the beginning in which the XML declaration stands. */
const DECLARATION_BYTES = 200;

/**
 * Reads one part of a workbook and yields what the handlers have collected, piece by piece: no more is read than is
 * consumed.
 * @throws DamagedWorkbookError for XML that is not well-formed, has a document type, or goes on without an element
 */
export async function* collectXml<Item>(
  pieces: AsyncIterable<Buffer>,
  handlers: XmlHandlers & { take(): Item[] },
): AsyncGenerator<Item[], void, undefined> {
  const { parser, isSilent, close } = parserFor(handlers);
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let silent = 0;
  for await (const piece of pieces) {
    decoder ??= new TextDecoder(encodingOf(piece), { fatal: true });
    const text = decoded(() => decoder?.decode(piece, { stream: true }) ?? '');
    wellFormed(() => parser.write(text));
    silent = isSilent() ? silent + text.length : 0;
    if (silent > WORKBOOK_LIMITS.silentXml)
      throw exceeds('characters in one text', WORKBOOK_LIMITS.textLength);
    const items = handlers.take();
    if (items.length > 0) yield items;
  }
  wellFormed(close);
  yield handlers.take();
}

/** Reads a part to its end. @throws DamagedWorkbookError as `collectXml` does */
export async function readXml(pieces: AsyncIterable<Buffer>, handlers: XmlHandlers): Promise<void> {
  const items = collectXml<never>(pieces, {
    open: (tag) => handlers.open(tag),
    close: (tag) => handlers.close(tag),
    text: (text) => handlers.text(text),
    take: () => [],
  });
  while ((await items.next()).done !== true);
}

/** The parser must keep its shape: properties that are added to it make it several times slower. */
function parserFor(handlers: XmlHandlers) {
  const parser = new SaxesParser({ xmlns: true, position: false });
  let isSilent = true;
  let depth = 0;
  parser.on('opentag', (tag) => {
    isSilent = false;
    depth += 1;
    if (depth > WORKBOOK_LIMITS.xmlDepth)
      throw exceeds('elements within each other', WORKBOOK_LIMITS.xmlDepth);
    handlers.open(tag);
  });
  parser.on('closetag', (tag) => {
    isSilent = false;
    depth -= 1;
    handlers.close(tag);
  });
  parser.on('text', (found) => {
    isSilent = false;
    handlers.text(found);
  });
  parser.on('cdata', (found) => {
    isSilent = false;
    handlers.text(found);
  });
  parser.on('doctype', () => {
    throw new DamagedWorkbookError('has a document type, which workbooks must not have');
  });
  return {
    parser,
    close: () => parser.close(),
    /** Whether nothing was found since the last call. */
    isSilent: () => {
      const was = isSilent;
      isSilent = true;
      return was;
    },
  };
}

/** A byte order mark, the zero bytes of UTF-16, or the label in the XML declaration; else UTF-8. */
function encodingOf(start: Buffer): string {
  for (const [encoding, bytes] of UTF16) {
    if (bytes.every((byte, index) => start[index] === byte)) return encoding;
  }
  const declaration = /^(?:\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']/.exec(
    start.toString('latin1', 0, DECLARATION_BYTES),
  );
  const label = declaration?.[1] ?? 'utf-8';
  // A part that begins with ASCII is not UTF-16, whatever it says.
  return /^(utf-?16|ucs-?2)/i.test(label) ? 'utf-8' : label;
}

function decoded(decode: () => string): string {
  try {
    return decode();
  } catch (error) {
    throw new DamagedWorkbookError(
      'is damaged: a part is not text in the encoding that it states',
      undefined,
      {
        cause: error,
      },
    );
  }
}

function wellFormed(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    // The parser throws plain errors; any other is a fault of ours.
    if ((error as Error).name !== 'Error') throw error;
    throw new DamagedWorkbookError(`is damaged: ${(error as Error).message}`, undefined, { cause: error });
  }
}

/** The value of an attribute, by its local name and, if given, its namespace; attributes of elements have none. */
export function attributeOf(
  tag: XmlTag,
  local: string,
  isNamespace?: (uri: string) => boolean,
): string | undefined {
  if (isNamespace === undefined) return tag.attributes[local]?.value;
  return Object.values(tag.attributes).find(
    (each: SaxesAttributeNS) => each.local === local && isNamespace(each.uri),
  )?.value;
}
