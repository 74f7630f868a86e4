/** Bytes that are no text in the encoding. `before`: the text that stands in front of them and was not answered yet. */
export class UndecodableTextError extends Error {
  override readonly name = 'UndecodableTextError';

  constructor(
    readonly encoding: string,
    readonly before: string,
    /** What was found, for people. */
    readonly found: string,
  ) {
    super(`${found} is no text in ${encoding}`);
  }
}
