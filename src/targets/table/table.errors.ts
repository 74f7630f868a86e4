import { defineErrors } from '../../platform/domain-error.js';

/** Errors of the routes about the tables that imports may fill. */
export const tableErrors = defineErrors({
  connection_not_found: { status: 404, title: 'There is no such connection' },
  table_not_found: { status: 404, title: 'There is no such table' },
  connection_unusable: { status: 503, title: 'The database of the connection cannot be used' },
});
