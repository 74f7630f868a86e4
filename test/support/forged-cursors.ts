import { createHash } from 'node:crypto';

/** A cursor as anyone can make it who has read the source: the checksum is not secret. */
export function sealed(list: string, text: string): string {
  const checksum = createHash('sha256').update(`${list}\n${text}`).digest().subarray(0, 6);
  return Buffer.concat([checksum, Buffer.from(text)]).toString('base64url');
}

/** Positions that no list of ours seals. */
export const FORGED_POSITIONS = [
  '[1e30]',
  '["x"]',
  '["1"]',
  '[1.5]',
  '[-1]',
  '[null]',
  '[[1]]',
  '[1,2,3]',
  '[]',
  '{',
  '{}',
  'null',
  '1',
] as const;
