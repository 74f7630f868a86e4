/**
 * The bounds within which a workbook is read. They lie above every honest file and stop a file that was made to exhaust
 * memory or time. Why: ADR 27.
 */
export const WORKBOOK_LIMITS = {
  /** Bytes of the file. */
  fileBytes: 100 * 1024 ** 2,
  entries: 2_000,
  /** Declared and counted bytes of all parts together. */
  inflatedBytes: 2 * 1024 ** 3,
  /** Inflated bytes per byte in the archive; not checked below `ratioFreeBytes`. */
  ratio: 300,
  ratioFreeBytes: 10 * 1024 ** 2,
  sheets: 200,
  rows: 1_048_576,
  columns: 16_384,
  /** Cells with a value, repeated ones included. */
  cells: 50_000_000,
  /** Cells with or without a value, up to the last value of each row. */
  places: 250_000_000,
  /** Characters of one text, as in Excel. */
  textLength: 32_767,
  sharedStrings: 2_000_000,
  sharedStringBytes: 256 * 1024 ** 2,
  /** Characters of XML without an element or the end of a text. */
  silentXml: 1024 ** 2,
  /** Elements within elements; sheets have fewer than ten levels. */
  xmlDepth: 200,
} as const;

/** The file claims to be a workbook, but cannot be read as one, or not safely. `message` completes "The workbook …". */
export class DamagedWorkbookError extends Error {
  override readonly name = 'DamagedWorkbookError';

  /** @param limit the exceeded bound, if that is the reason */
  constructor(
    message: string,
    readonly limit?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The file is something else: `message` names it, for example "a password-protected workbook". */
export class NotAWorkbookError extends Error {
  override readonly name = 'NotAWorkbookError';

  /** @param advice what to do instead, as a sentence */
  constructor(
    kind: string,
    readonly advice: string,
  ) {
    super(kind);
  }
}

export function exceeds(what: string, limit: number): DamagedWorkbookError {
  return new DamagedWorkbookError(`has more than ${limit.toLocaleString('en')} ${what}`, limit);
}
