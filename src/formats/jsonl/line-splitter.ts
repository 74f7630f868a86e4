const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const EMPTY = Buffer.alloc(0);

/** A line exceeds the limit; `linesBefore` lines of the piece pushed last stand before it. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';

  constructor(readonly linesBefore: number) {
    super('a line is longer than the limit');
  }
}

/**
 * Cuts a byte stream into blocks of complete lines, regardless of the pieces in which it arrives. It works on bytes and
 * cuts only at LF, which no UTF-8 sequence contains, so it never splits a character or a line. It does not copy single
 * lines: a block is a view of the piece that arrived, except for a line that spans two pieces.
 */
export class LineSplitter {
  private readonly held: Buffer[] = [];
  private heldBytes = 0;

  /** @param maxLineBytes bytes of one line, excluding its line end */
  constructor(private readonly maxLineBytes: number) {}

  /** The lines that are complete now, line ends included, or `null`. @throws LineTooLongError */
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
    // If the whole block fits into the limit, so does each line: lines are measured rarely.
    if (block.length > this.maxLineBytes) this.measure(block);
    this.hold(piece.subarray(lastEnd + 1), block);
    return block;
  }

  /** The last line, if it has no line end. @throws LineTooLongError */
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
    // One more byte may be the CR of the line end.
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
