import fc from 'fast-check';
import { LaterKeys, OrderingKeys } from './rows.js';

describe('keys that occur later', () => {
  it('are found exactly where more records of the chunk, or a later chunk, have them', () => {
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
          for (const [place, each] of chunks.entries()) {
            const count = each.filter((other) => other === key).length;
            const isLater = chunks.slice(place + 1).some((other) => (other as string[]).includes(key));
            for (let here = 0; here <= count; here += 1)
              expect(keys.beside(place, key, here)).toBe(isLater || here < count);
          }
        }
      }),
    );
  });
});
