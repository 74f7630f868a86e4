const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const EMPTY = Buffer.alloc(0);

/** A line is longer than the limit; `linesBefore` lines of what was pushed last stand before it. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';

  constructor(readonly linesBefore: number) {
    super('a line is longer than the limit');
  }
}

/**
 * Cuts a byte stream into blocks of complete lines, whatever pieces it arrives in. It works on bytes and cuts at
 * LF only, which is part of no UTF-8 sequence: so neither a character nor a line can be torn. Lines are not
 * copied one by one: a block is a view of the piece that arrived, but for the line that straddles two pieces.
 */
export class LineSplitter {
  private readonly held: Buffer[] = [];
  private heldBytes = 0;

  /** @param maxLineBytes bytes of one line without its end */
  constructor(private readonly maxLineBytes: number) {}

  /** The complete lines that are there now, ends included, or `null`. @throws LineTooLongError */
  push(piece: Buffer): Buffer | null {
    const lastEnd = piece.lastIndexOf(LINE_FEED);
    if (lastEnd === -1) {
      this.hold(piece, EMPTY);
      return null;
    }
    const complete = piece.subarray(0, lastEnd + 1);
    const block = this.heldBytes === 0 ? complete : Buffer.concat([...this.held, complete]);
    this.held.length = 0;
    this.heldBytes = 0;
    // A block that fits into the limit as a whole has no line that does not: so lines are measured rarely.
    if (block.length > this.maxLineBytes) this.measure(block);
    this.hold(piece.subarray(lastEnd + 1), block);
    return block;
  }

  /** The last line, if it has no end. @throws LineTooLongError */
  end(): Buffer | null {
    if (this.heldBytes === 0) return null;
    const block = Buffer.concat(this.held);
    this.held.length = 0;
    this.heldBytes = 0;
    if (lengthWithoutEnd(block, 0, block.length) > this.maxLineBytes) throw new LineTooLongError(0);
    return block;
  }

  private hold(piece: Buffer, before: Buffer): void {
    if (piece.length === 0) return;
    this.held.push(piece);
    this.heldBytes += piece.length;
    // One byte more may be the CR of the line's end.
    if (this.heldBytes > this.maxLineBytes + 1) throw new LineTooLongError(countLines(before));
  }

  private measure(block: Buffer): void {
    for (let start = 0, lines = 0; start < block.length; lines += 1) {
      const end = block.indexOf(LINE_FEED, start);
      if (lengthWithoutEnd(block, start, end) > this.maxLineBytes) throw new LineTooLongError(lines);
      start = end + 1;
    }
  }
}

function countLines(block: Buffer): number {
  let lines = 0;
  for (let at = block.indexOf(LINE_FEED); at !== -1; at = block.indexOf(LINE_FEED, at + 1)) lines += 1;
  return lines;
}

function lengthWithoutEnd(block: Buffer, start: number, end: number): number {
  return end - start - (end > start && block[end - 1] === CARRIAGE_RETURN ? 1 : 0);
}
