/** An earlier chunk of the batch goes first: it is about what this one is about, as came out while it was processed. */
export class ChunkNotDueError extends Error {
  override readonly name = 'ChunkNotDueError';

  constructor(readonly earlierChunk: number) {
    super(`chunk ${earlierChunk} goes first`);
  }
}
