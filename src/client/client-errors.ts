import type { ClientProblem } from './client-types.js';

/** The service answered, and refused the call. `code` is for programs, `message` for people. */
export class RefusedError extends Error {
  readonly status: number;
  readonly code: string;

  /** @param problem the body of the answer */
  constructor(readonly problem: ClientProblem) {
    super(problem.detail);
    this.name = 'RefusedError';
    this.status = problem.status;
    this.code = problem.code;
  }
}

/** No answer arrived, or one that is not ours: the service is down, or something stands between. */
export class UnreachableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'UnreachableError';
  }
}

/** The error of an answer other than 2xx. */
export async function errorOfAnswer(response: Response): Promise<RefusedError | UnreachableError> {
  const text = await response.text().catch(() => '');
  const problem = problemOf(text);
  if (problem !== null) return new RefusedError(problem);
  const answer = `${response.status} ${response.statusText}`.trim();
  return new UnreachableError(`${response.url} answered ${answer} without problem details.`);
}

function problemOf(text: string): ClientProblem | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return isProblem(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isProblem(value: unknown): value is ClientProblem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, detail, status } = value as Partial<Record<string, unknown>>;
  return typeof code === 'string' && typeof detail === 'string' && typeof status === 'number';
}
