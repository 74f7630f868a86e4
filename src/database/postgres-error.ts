const UNIQUE_VIOLATION = '23505';
const DEADLOCK = '40P01';
const FOREIGN_KEY_VIOLATION = '23503';

function sqlState(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Both `pg` and TypeORM errors carry the SQLSTATE as `code`. */
export const isUniqueViolation = (error: unknown): boolean => sqlState(error) === UNIQUE_VIOLATION;
export const isForeignKeyViolation = (error: unknown): boolean => sqlState(error) === FOREIGN_KEY_VIOLATION;

export const isDeadlock = (error: unknown): boolean => sqlState(error) === DEADLOCK;

/** Data (22), integrity (23) and size (54) errors: the values are to blame, and would be again. */
export const isDataError = (error: unknown): boolean => /^(22|23|54)/.test(String(sqlState(error)));
