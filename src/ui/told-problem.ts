import type { DomainError, ProblemDetail } from '../common/domain.error.js';

/** A refusal as a page tells it above a form. */
export interface ToldProblem {
  title: string;
  detail: string;
  errors: readonly ProblemDetail[] | undefined;
}

export function toldProblem({ title, message, options }: DomainError): ToldProblem {
  return { title, detail: message, errors: options.errors?.map(inOneSentence) };
}

/** Many messages begin with the name of the parameter, which then need not be said twice. */
export function inOneSentence(error: ProblemDetail): ProblemDetail {
  const { parameter, ...rest } = error;
  return parameter !== undefined && error.message.startsWith(parameter) ? rest : error;
}
