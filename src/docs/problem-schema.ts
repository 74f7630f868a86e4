import type { OpenAPIObject } from '@nestjs/swagger';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

/** The answer of `ProblemFilter`. */
export const PROBLEM_SCHEMA: Schemas[string] = {
  type: 'object',
  // A code may have members of its own.
  additionalProperties: true,
  required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
  properties: {
    type: { type: 'string', example: 'urn:workflow-import-queue:problem:malformed_json_lines' },
    title: { type: 'string', example: 'The body is not JSON Lines' },
    status: { type: 'integer', example: 400 },
    detail: { type: 'string', description: 'What was wrong here, and what to do next' },
    instance: { type: 'string', example: '/API/WorkflowImportQueue/CreateBatch' },
    code: { type: 'string', description: 'For programs', example: 'malformed_json_lines' },
    errors: {
      type: 'array',
      maxItems: 100,
      items: {
        type: 'object',
        required: ['code', 'message'],
        properties: {
          line: { type: 'integer', description: '1-based line of the body' },
          column: { type: 'integer', description: '1-based character of the line' },
          pointer: { type: 'string', description: 'RFC 6901 pointer into the JSON that was sent' },
          parameter: { type: 'string', description: 'Name of a query parameter or header' },
          code: { type: 'string' },
          message: { type: 'string' },
        },
      },
    },
    errorCount: { type: 'integer', description: 'How many there are; errors lists at most 100' },
    limit: { type: 'integer', description: 'The limit that was passed' },
    currentStatus: { type: 'string', description: 'Of state_conflict: the status of the batch' },
    errorId: { type: 'string', description: 'Of an unforeseen fault: finds it in the log' },
  },
};
