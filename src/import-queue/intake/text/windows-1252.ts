/** What the bytes 0x80 to 0x9F are; five of them are nothing. Node's own decoder takes them for control characters. */
const HIGH =
  '\u20ac\ufffd\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\ufffd\u017d\ufffd' +
  '\ufffd\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\ufffd\u017e\u0178';
const CONTROL = /[\u0080-\u009f]/g;
const UNDEFINED_BYTES = /[\u0081\u008d\u008f\u0090\u009d]/;

/** The text, and the place in it of the first byte that means nothing, or -1. */
export function decodeWindows1252(bytes: Buffer): { text: string; undefinedAt: number } {
  const text = bytes.toString('latin1');
  const undefinedAt = text.search(UNDEFINED_BYTES);
  return {
    text: text.replace(CONTROL, (character) => HIGH.charAt(character.charCodeAt(0) - 0x80)),
    undefinedAt,
  };
}
