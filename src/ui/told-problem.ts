import type { DomainError, ProblemDetail } from '../common/domain.error.js';

/** A refusal as a page tells it above a form. */
export interface ToldProblem {
  title: string;
  detail: string;
  errors: readonly ProblemDetail[] | undefined;
}

export function toldProblem({ title, message, options }: DomainError): ToldProblem {
  return { title, detail: message, errors: toldErrors(message, options.errors) };
}

/** What the detail does not say already, or says without its place. */
export function toldErrors(
  detail: string,
  errors: readonly ProblemDetail[] | undefined,
): readonly ProblemDetail[] | undefined {
  return errors
    ?.filter(({ line, pointer, message }) => (line ?? pointer) !== undefined || !detail.includes(message))
    .map(inOneSentence);
}

/** Many messages begin with the name of the field, which then need not be said twice. */
function inOneSentence({ parameter, pointer, ...error }: ProblemDetail): ProblemDetail {
  const saysIt = (name: string | undefined) => name === undefined || error.message.startsWith(name);
  return {
    ...error,
    ...(!saysIt(parameter) && { parameter }),
    ...(!saysIt(pointer?.slice(1)) && { pointer }),
  };
}

/** By the name of the field: what is wrong with it. */
export function parameterErrors({ options: { errors = [] } }: DomainError): Record<string, string> {
  return Object.fromEntries(
    errors.flatMap(({ parameter, message }) => (parameter === undefined ? [] : [[parameter, message]])),
  );
}
