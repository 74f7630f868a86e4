import fc from 'fast-check';
import { LaterKeys, OrderingKeys } from './rows.js';

describe('keys that occur later', () => {
  it('are found exactly where a later chunk has them', () => {
    const chunk = fc.array(fc.constantFrom('a', 'b', ':Email\u0000x@example.org', 'ü', '😀'), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const keys = new LaterKeys(
          chunks.map((each) => {
            const written = new OrderingKeys();
            for (const key of each) written.add(key);
            return written.take();
          }),
        );
        for (const key of ['a', 'b', ':Email\u0000x@example.org', 'ü', '😀', 'never']) {
          for (const place of chunks.keys()) {
            expect(keys.beside(place, key, chunks[place]?.filter((each) => each === key).length ?? 0)).toBe(
              chunks.slice(place + 1).some((each) => (each as string[]).includes(key)),
            );
          }
        }
      }),
    );
  });
});
