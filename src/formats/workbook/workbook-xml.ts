import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from 'saxes';
import { DamagedWorkbookError, exceeds, WORKBOOK_LIMITS } from './workbook-archive.js';

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

/** One part of a workbook on its way through the parser. */
export class XmlPart {
  private readonly parser: SaxesParser<{ xmlns: true; position: false }>;
  private decoder: InstanceType<typeof TextDecoder> | undefined;
  /** Whether nothing was found since the last piece. */
  private isSilent = true;
  private silent = 0;
  private depth = 0;

  constructor(private readonly handlers: XmlHandlers) {
    this.parser = this.parserWithLimits();
  }

  /**
   * @throws DamagedWorkbookError for XML that is not well-formed, has a document type, or goes on without an element
   */
  write(piece: Buffer): void {
    const text = decoded(() => {
      this.decoder ??= new TextDecoder(encodingOf(piece), { fatal: true });
      return this.decoder.decode(piece, { stream: true });
    });
    this.isSilent = true;
    wellFormed(() => this.parser.write(text));
    this.silent = this.isSilent ? this.silent + text.length : 0;
    if (this.silent > WORKBOOK_LIMITS.silentXml) {
      throw exceeds('characters in one text', WORKBOOK_LIMITS.textLength);
    }
  }

  /** @throws DamagedWorkbookError if the part ends too early */
  end(): void {
    wellFormed(() => this.parser.close());
  }

  /** Whether the bytes between tags are the text itself: UTF-8 in the version of XML that has no other line ends. */
  get isPlain(): boolean {
    return this.decoder?.encoding === 'utf-8' && (this.parser.xmlDecl.version ?? '1.0') === '1.0';
  }

  /** Whether a prefix of a namespace is declared where the parser is; to be asked while an element opens. */
  declares(prefix: string): boolean {
    return this.parser.resolve(prefix) !== undefined;
  }

  /** The parser must keep its shape: properties that are added to it make it several times slower. */
  private parserWithLimits(): SaxesParser<{ xmlns: true; position: false }> {
    const parser = new SaxesParser({ xmlns: true, position: false } as const);
    parser.on('opentag', (tag) => {
      this.isSilent = false;
      this.depth += 1;
      if (this.depth > WORKBOOK_LIMITS.xmlDepth)
        throw exceeds('elements within each other', WORKBOOK_LIMITS.xmlDepth);
      this.handlers.open(tag);
    });
    parser.on('closetag', (tag) => {
      this.isSilent = false;
      this.depth -= 1;
      this.handlers.close(tag);
    });
    const text = (found: string) => {
      this.isSilent = false;
      this.handlers.text(found);
    };
    parser.on('text', text);
    parser.on('cdata', text);
    parser.on('doctype', () => {
      throw new DamagedWorkbookError('has a document type, which workbooks must not have');
    });
    return parser;
  }
}

/**
 * Reads one part of a workbook and yields what the handlers have collected, piece by piece: no more is read than is
 * consumed.
 * @throws DamagedWorkbookError as `XmlPart` does
 */
export async function* collectXml<Item>(
  pieces: AsyncIterable<Buffer>,
  handlers: XmlHandlers & { take(): Item[] },
): AsyncGenerator<Item[], void, undefined> {
  const part = new XmlPart(handlers);
  for await (const piece of pieces) {
    part.write(piece);
    const items = handlers.take();
    if (items.length > 0) yield items;
  }
  part.end();
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
