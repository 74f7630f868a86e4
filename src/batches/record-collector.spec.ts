import { RecordCollector } from './record-collector.js';

describe('a chunk', () => {
  const MEGABYTE = 'x'.repeat(1024 ** 2);
  const chunksOf = (chunkSize: number, payloads: readonly string[]): number[][] => {
    const rows = new RecordCollector(chunkSize);
    payloads.forEach((payload, index) => rows.add(index + 1, payload, null, []));
    rows.end();
    return rows
      .takeChunks()
      .map(({ firstLine, lastLine, recordCount }) => [firstLine, lastLine, recordCount]);
  };

  /** Break it: close no chunk for its records. */
  it('has as many records as it is to have', () => {
    expect(chunksOf(2, ['a', 'b', 'c', 'd', 'e'])).toEqual([
      [1, 2, 2],
      [3, 4, 2],
      [5, 5, 1],
    ]);
  });

  /** Break it: close no chunk for its bytes. */
  it('has no more than eight megabytes, so that it fits into memory and into a statement', () => {
    expect(chunksOf(1000, Array<string>(20).fill(MEGABYTE))).toEqual([
      [1, 8, 8],
      [9, 16, 8],
      [17, 20, 4],
    ]);
  });

  /** Break it: do not restart the count with each chunk. */
  it('of one record may have more', () => {
    expect(chunksOf(1000, ['a', MEGABYTE.repeat(9), 'b', 'c'])).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [3, 4, 2],
    ]);
  });
});
