/** What is wrong with one file: where in it (RFC 6901; empty: the whole of it) and a sentence. */
export interface FileProblem {
  file: string;
  pointer: string;
  message: string;
}

/** The files of DEFINITIONS_DIR cannot be taken over; the message has one line per mistake. */
export class DefinitionsError extends Error {
  override readonly name = 'DefinitionsError';

  constructor(folder: string, problems: readonly FileProblem[], options?: ErrorOptions) {
    const lines = problems.map(({ file, pointer, message }) =>
      ['  -', file, ...(pointer === '' ? [] : [pointer]), message].join(' '),
    );
    super(`The definitions in ${folder} (DEFINITIONS_DIR) are not usable:\n${lines.join('\n')}`, options);
  }
}
