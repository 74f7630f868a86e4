import { DomainError } from '../domain.error.js';

export function routeNotFound(method: string, path: string): DomainError {
  return new DomainError(
    404,
    'route_not_found',
    'There is no such route',
    `There is nothing at ${method} ${path}. The routes there are: /docs.`,
  );
}

export function methodNotAllowed(method: string, path: string, allowed: readonly string[]): DomainError {
  const allow = allowed.join(', ');
  return new DomainError(
    405,
    'method_not_allowed',
    'The route does not take this method',
    `${path} does not take ${method}, only ${allow}.`,
    { headers: { Allow: allow } },
  );
}
