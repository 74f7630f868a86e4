import {
  ANY_OBJECT,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  TEXT,
  TIME,
  YES_OR_NO,
  type Schema,
} from '../common/http/answer-schemas.js';
import type { ImportProcessSummary } from './import-process-view.js';
import type { ImportProcess } from './import-process.js';

const summary = {
  id: INTEGER,
  version: INTEGER,
  name: TEXT,
  description: TEXT,
  icon: TEXT,
  displayOrder: INTEGER,
  status: choice('active', 'disabled'),
  ordered: says('One chunk at a time, in line order.', YES_OR_NO),
  createdAt: TIME,
  updatedAt: TIME,
};

/** What routes about import processes answer. */
export const IMPORT_PROCESS_SCHEMAS: Readonly<Record<string, Schema>> = {
  ImportProcess: objectOf<ImportProcess>({
    ...summary,
    note: TEXT,
    retentionDays: says('null: as the installation says; 0: for ever.', orNull(INTEGER)),
    target: {
      type: 'object',
      required: ['kind'],
      properties: { kind: TEXT },
      additionalProperties: true,
    },
    recordSchema: says('JSON Schema 2020-12 of a row.', orNull(ANY_OBJECT)),
  }),
  ImportProcessSummary: objectOf<ImportProcessSummary>(summary),
  ImportProcessList: itemsOf({ anyOf: [refTo('ImportProcess'), refTo('ImportProcessSummary')] }),
};
