import { DomainError, type ProblemDetail } from '../domain.error.js';

/** The most `errors` a problem answer lists. */
export const MAX_LISTED_ERRORS = 100;
/** The most of them the `detail` repeats, for people. */
const MAX_SENTENCES = 10;

/**
 * A name that is mistyped or given twice is promised to be seen: these are the code of the answer whatever else is
 * wrong, in this order.
 */
const PROMISED_CODES = ['unknown_parameter', 'repeated_parameter'];

/** 400 that names everything wrong with the parameters at once; the code of the answer is the cause that counts most. */
export function invalidParameters(errors: readonly ProblemDetail[]): DomainError {
  return new DomainError(
    400,
    codeOf(errors),
    'The parameters are not usable',
    `Nothing was done: ${errors
      .slice(0, MAX_SENTENCES)
      .map(({ message }) => message)
      .join('. ')}.`,
    { errors: errors.slice(0, MAX_LISTED_ERRORS), errorCount: errors.length },
  );
}

function codeOf(errors: readonly ProblemDetail[]): string {
  const codes = new Set(errors.map(({ code }) => code));
  const promised = PROMISED_CODES.find((code) => codes.has(code));
  const [only = 'invalid_parameters'] = codes;
  return promised ?? (codes.size === 1 ? only : 'invalid_parameters');
}

export function invalidBody(errors: readonly ProblemDetail[]): DomainError {
  return new DomainError(
    400,
    'invalid_body',
    'The body is not usable',
    `Nothing was done: ${errors.length === 1 ? 'one thing is' : `${errors.length} things are`} wrong with the JSON that was sent; "errors" names each.`,
    { errors: errors.slice(0, MAX_LISTED_ERRORS), errorCount: errors.length },
  );
}

export function missingBody(): DomainError {
  return new DomainError(
    400,
    'missing_body',
    'The body is missing',
    'Send a JSON object, with "Content-Type: application/json".',
  );
}
