import { declaredBytes } from '../create-batch.dto.js';

describe('declaredBytes', () => {
  /** Break it: in `declaredBytes`, answer the Content-Length of any encoding. */
  it('counts only what is not decoded', () => {
    expect(declaredBytes({ 'content-length': '7' })).toBe(7);
    expect(declaredBytes({ 'content-length': '7', 'content-encoding': ' Identity' })).toBe(7);
    expect(declaredBytes({ 'content-length': '7', 'content-encoding': 'gzip' })).toBe(0);
    expect(declaredBytes({ 'transfer-encoding': 'chunked' })).toBe(0);
  });
});
