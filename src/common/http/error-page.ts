import type { Problem } from './problem.js';

/** Tells a person of an error. The pages provide one; a process without pages answers problem details to everybody. */
export interface ErrorPage {
  /** HTML. */
  render(problem: Problem): string;
}

export const ERROR_PAGE = Symbol('ERROR_PAGE');
