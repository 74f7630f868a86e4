/** One entry of the `errors` array of a problem answer. */
export interface ProblemDetail {
  /** 1-based line of the body. */
  line?: number;
  /** 1-based column (character) in that line. */
  column?: number;
  /** RFC 6901 pointer into the JSON of the request. */
  pointer?: string;
  /** Name of a query parameter or header. */
  parameter?: string;
  code: string;
  message: string;
}

export interface DomainErrorOptions {
  cause?: unknown;
  /** At most 100 are shown; set `errorCount` if there were more. */
  errors?: readonly ProblemDetail[];
  errorCount?: number;
  /** The exceeded limit, in the unit that the detail names. */
  limit?: number;
  /** Further members of the problem answer (for example `currentStatus`). */
  extensions?: Readonly<Record<string, unknown>>;
  /** Response headers that belong to the error (`Retry-After`, `Accept-Post`, `WWW-Authenticate`). */
  headers?: Readonly<Record<string, string>>;
}

/** The properties that all errors of one code share. */
export interface ErrorKind {
  status: number;
  /** A sentence that is the same in every answer with this code. */
  title: string;
}

interface DomainErrorInit extends ErrorKind, DomainErrorOptions {
  code: string;
  detail: string;
}

/**
 * A refusal that the caller sees. Services throw it, and `ProblemFilter` turns it into RFC 9457 problem details. `code`
 * identifies the error for programs. `message` (the `detail` of the answer) states the cause in this case and the next
 * step. Create it with the functions of a catalogue (`defineErrors`), so that status and title are stated once per
 * code.
 */
export class DomainError extends Error {
  override readonly name: string = 'DomainError';
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly options: DomainErrorOptions;

  constructor(init: DomainErrorInit);
  constructor(status: number, code: string, title: string, detail: string, options?: DomainErrorOptions);
  constructor(
    first: DomainErrorInit | number,
    code = '',
    title = '',
    detail = '',
    options: DomainErrorOptions = {},
  ) {
    const init = typeof first === 'number' ? { status: first, code, title, detail, ...options } : first;
    super(init.detail, { cause: init.cause });
    this.status = init.status;
    this.code = init.code;
    this.title = init.title;
    this.options = init;
  }
}

/** Creates the error of one code; the documentation reads its kind. */
export interface DefinedError extends Readonly<ErrorKind> {
  (detail: string, options?: DomainErrorOptions): DomainError;
  readonly code: string;
}

/**
 * The errors of one feature. Its file is called `<feature>.errors.ts`; docs/errors.md is generated from all of them.
 *
 *     const errors = defineErrors({ empty_body: { status: 400, title: 'The body contains no record' } });
 *     throw errors.empty_body('The body holds no line with a record. Nothing was stored.');
 */
export function defineErrors<Code extends string>(
  kinds: Readonly<Record<Code, ErrorKind>>,
): Readonly<Record<Code, DefinedError>> {
  const define = (code: string, kind: ErrorKind): DefinedError =>
    Object.assign(
      (detail: string, options: DomainErrorOptions = {}) =>
        new DomainError({ ...options, ...kind, code, detail }),
      { ...kind, code },
    );
  const entries = Object.entries<ErrorKind>(kinds).map(([code, kind]) => [code, define(code, kind)]);
  return Object.fromEntries(entries) as Record<Code, DefinedError>;
}

/** The most `errors` a problem answer lists. */
export const MAX_LISTED_ERRORS = 100;

/** The base of errors that stop a start for a reason that the operator can fix; the message explains how. */
export class StartError extends Error {
  override name = 'StartError';
}

/** The message of an error, for use in a sentence. Code can throw any value, so this accepts any value. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node joins the errors of both address families into one without a message.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(errorMessage).join(', ');
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || error.name;
}

/** The stack of an error, for the log. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? errorMessage(error)) : String(error);
}

/**
 * Why a start failed, in sentences for the person who typed the command; the stack is added only for unforeseen errors.
 */
export function explainStartFailure(error: unknown): string {
  if (error instanceof StartError) return error.message;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${address} is taken by another program: set PORT to a free one.`;
  if (code === 'EACCES' && port !== undefined)
    return `Port ${port} may not be used by this user: set PORT above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `${address} is not an address of this machine: check HOST.`;
  return errorStack(error);
}
