/** One entry of the `errors` array of a problem answer. */
export interface ProblemDetail {
  /** 1-based line of the body. */
  line?: number;
  /** 1-based column (character) in that line. */
  column?: number;
  /** RFC 6901 pointer into the JSON that was sent. */
  pointer?: string;
  /** Name of a query parameter or header. */
  parameter?: string;
  code: string;
  message: string;
}

export interface DomainErrorOptions {
  cause?: unknown;
  /** At most 100 are shown; give `errorCount` where there were more. */
  errors?: readonly ProblemDetail[];
  errorCount?: number;
  /** The limit that was passed, in the unit the detail names. */
  limit?: number;
  /** Further members of the problem answer (for example `currentStatus`). */
  extensions?: Readonly<Record<string, unknown>>;
  /** Response headers that belong to the error (`Retry-After`, `Accept-Post`, `WWW-Authenticate`). */
  headers?: Readonly<Record<string, string>>;
}

/**
 * A refusal that the caller is told about. Services throw it; `ProblemFilter` turns it into RFC 9457
 * problem details. `code` is the machine-readable name, `title` the sentence that never varies with the
 * case, `message` (the `detail` of the answer) says what was wrong here and what to do next.
 */
export class DomainError extends Error {
  override readonly name: string = 'DomainError';

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    detail: string,
    readonly options: DomainErrorOptions = {},
  ) {
    super(detail, { cause: options.cause });
  }
}
