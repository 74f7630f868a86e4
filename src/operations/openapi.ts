import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { API_KEY_SCHEMAS } from '../auth/api-keys.dto.js';
import { AUDIT_SCHEMAS } from '../auth/audit.dto.js';
import { IMPORT_PROCESS_SCHEMAS } from '../import-processes/import-processes.dto.js';
import { BATCH_SCHEMAS } from '../import-queue/batch-schemas.js';
import { NOTIFICATION_SCHEMAS } from '../notifications/notifications.controller.js';
import { WEBHOOK_SCHEMAS } from '../notifications/webhook-endpoints.dto.js';
import { PEOPLE_SCHEMAS } from '../people/people.dto.js';
import { ANY_REFUSAL_HEADERS, REFUSAL_HEADERS } from '../platform/http/answer-schemas.js';
import { publicPath } from '../platform/http/public-path.js';
import { WORKFLOW_SCHEMAS } from '../workflows/workflow-schemas.js';
import { HEALTH_SCHEMAS } from './health/health.controller.js';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

/** The answer of `ProblemFilter`. */
const PROBLEM_SCHEMA: Schemas[string] = {
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

const SECURITY_SCHEME = 'apikey';
const ANSWERS = {
  ...API_KEY_SCHEMAS,
  ...AUDIT_SCHEMAS,
  ...BATCH_SCHEMAS,
  ...HEALTH_SCHEMAS,
  ...IMPORT_PROCESS_SCHEMAS,
  ...NOTIFICATION_SCHEMAS,
  ...PEOPLE_SCHEMAS,
  ...WEBHOOK_SCHEMAS,
  ...WORKFLOW_SCHEMAS,
};
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** OpenAPI 3.1 of the routes for programs; it leaves out pages for people. */
function openApiDocument(app: INestApplication, publicUrl: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Workflow Import Queue')
    .setDescription(
      'One POST. Every line accounted for. Nothing lost when Redis dies. Failed rows back in the format you sent.\n\n' +
        'To try it: **Authorize** with an API key, open *CreateBatch*, paste lines of JSON, execute.',
    )
    .setVersion('1')
    // Relative to this document, so that the page works under every address of the service.
    .addServer(publicPath(publicUrl) || '/')
    .addApiKey(
      {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        description:
          'An API key, sent as `Authorization: apikey <key>` or `Authorization: Bearer <key>`. Here the key alone is enough.',
      },
      SECURITY_SCHEME,
    )
    .addSecurityRequirements(SECURITY_SCHEME);
  // Without this, an operation with a tag of its own is also listed under the name of its controller.
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

/**
 * Routes declare the schema and media type of their own answers. All refusals are alike, and so are the headers of a
 * status.
 */
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

/**
 * Swagger UI at /docs, its description at /docs/openapi.json. Both are public: they reveal no more than the source
 * does, and every call made from the page needs a key. We serve all assets ourselves, so the page works without the
 * internet.
 */
export function serveDocs(app: NestExpressApplication, publicUrl: string): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app, publicUrl), {
    jsonDocumentUrl: 'docs/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Workflow Import Queue: API',
    swaggerOptions: {
      requestInterceptor: completeAuthorization,
      // A key in the storage of the browser would outlive the session of the person who entered it.
      persistAuthorization: false,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      validatorUrl: null,
    },
  });
}

interface OutgoingRequest {
  headers: Record<string, string | undefined>;
}

/**
 * Runs in the browser as text, so it must not use anything of this file. A user who authorizes with the bare key means
 * `apikey <key>`. OpenAPI's own schemes know a prefix only for Basic and Bearer.
 */
function completeAuthorization(request: OutgoingRequest): OutgoingRequest {
  const given = request.headers.Authorization;
  if (given !== undefined && !/^\s*(apikey|bearer|basic)\s/i.test(given)) {
    request.headers.Authorization = `apikey ${given.trim()}`;
  }
  return request;
}
