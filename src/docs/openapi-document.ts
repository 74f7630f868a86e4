import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { API_KEY_SCHEMAS } from '../auth/api-key-schemas.js';
import { ANY_REFUSAL_HEADERS, REFUSAL_HEADERS } from '../common/http/answer-headers.js';
import { HEALTH_SCHEMAS } from '../health/health-schemas.js';
import { IMPORT_PROCESS_SCHEMAS } from '../import-processes/import-process-schemas.js';
import { BATCH_SCHEMAS } from '../import-queue/results/batch-schemas.js';
import { NOTIFICATION_SCHEMAS } from '../notifications/notification-schemas.js';
import { WORKFLOW_SCHEMAS } from '../workflows/workflow-schemas.js';
import { PROBLEM_SCHEMA } from './problem-schema.js';

const SECURITY_SCHEME = 'apikey';
const ANSWERS = {
  ...API_KEY_SCHEMAS,
  ...BATCH_SCHEMAS,
  ...HEALTH_SCHEMAS,
  ...IMPORT_PROCESS_SCHEMAS,
  ...NOTIFICATION_SCHEMAS,
  ...WORKFLOW_SCHEMAS,
};
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** OpenAPI 3.1 of the routes for programs; pages for people are none of its business. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Workflow Import Queue')
    .setDescription(
      'One POST. Every line accounted for. Nothing lost when Redis dies. Failed rows back in the format you sent.\n\n' +
        'To try it: **Authorize** with an API key, open *CreateBatch*, paste lines of JSON, execute.',
    )
    .setVersion('1')
    .addApiKey(
      {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        description:
          'An API key. On the wire: `Authorization: apikey <key>`; typing just the key here will do.',
      },
      SECURITY_SCHEME,
    )
    .addSecurityRequirements(SECURITY_SCHEME);
  // Else an operation with a tag of its own is listed twice, also under the name of its controller.
  const document = SwaggerModule.createDocument(app, builder.build(), { autoTagControllers: false });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...ANSWERS, Problem: PROBLEM_SCHEMA },
  };
  document.paths = Object.fromEntries(
    Object.entries(document.paths).filter(([path]) => /^\/(API\/|health\/|metrics$)/.test(path)),
  );
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation === undefined) continue;
      if (path.startsWith('/health/')) operation.security = [];
      operation.responses = { ...withProblems(operation.responses ?? {}), default: REFUSAL };
    }
  }
  return document;
}

type Responses = NonNullable<NonNullable<OpenAPIObject['paths'][string]['get']>['responses']>;

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
const REFUSAL = {
  description: 'Any refusal, as problem details (RFC 9457)',
  content: PROBLEM,
  headers: ANY_REFUSAL_HEADERS,
};

/** Answers say their schema and media type themselves; all refusals are alike, and so are what a status comes with. */
function withProblems(responses: Responses): Responses {
  const described: Responses = {};
  for (const [status, response] of Object.entries(responses)) {
    if (response === undefined) continue;
    const known = '$ref' in response || response.content !== undefined || /^[123]/.test(status);
    const headers = REFUSAL_HEADERS[status];
    described[status] = known ? response : { ...response, content: PROBLEM, ...(headers && { headers }) };
  }
  return described;
}
