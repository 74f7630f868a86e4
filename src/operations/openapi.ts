import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import { API_KEY_SCHEMAS } from '../auth/api-keys.service.js';
import { AUDIT_SCHEMAS } from '../auth/audit-trail.js';
import { IMPORT_PROCESS_SCHEMAS } from '../import-processes/import-processes.dto.js';
import { MAPPING_SCHEMAS } from '../import-processes/mappings.dto.js';
import { BATCH_SCHEMAS } from '../import-queue/batch-schemas.js';
import { NOTIFICATION_SCHEMAS } from '../notifications/notifications.controller.js';
import { WEBHOOK_SCHEMAS } from '../notifications/webhook-endpoints.dto.js';
import { PEOPLE_SCHEMAS } from '../people/people.service.js';
import { ANY_REFUSAL_HEADERS, REFUSAL_HEADERS } from '../platform/http/answer-schemas.js';
import { publicPath } from '../platform/http/answers.js';
import { httpErrors } from '../platform/http/http.errors.js';
import { TABLE_SCHEMAS } from '../targets/table/connections.controller.js';
import { WORKFLOW_SCHEMAS } from '../workflows/workflows.dto.js';
import { HEALTH_SCHEMAS } from './health.module.js';
import { BODY_EXAMPLES, NAMED_EXAMPLES, operationId, STREAM_ITEMS, TAGS } from './openapi-catalogue.js';

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

const SECURITY_SCHEME = 'apiKey';
const ANSWERS = {
  ...API_KEY_SCHEMAS,
  ...AUDIT_SCHEMAS,
  ...BATCH_SCHEMAS,
  ...HEALTH_SCHEMAS,
  ...IMPORT_PROCESS_SCHEMAS,
  ...MAPPING_SCHEMAS,
  ...NOTIFICATION_SCHEMAS,
  ...PEOPLE_SCHEMAS,
  ...WEBHOOK_SCHEMAS,
  ...TABLE_SCHEMAS,
  ...WORKFLOW_SCHEMAS,
};
const METHODS = ['get', 'head', 'put', 'post', 'delete', 'patch'] as const;

/** OpenAPI 3.1 of the routes for programs; it leaves out pages for people. */
function openApiDocument(app: INestApplication, publicUrl: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Workflow Import Queue')
    .setDescription(
      'One POST. Every line accounted for. Nothing lost when Redis dies. Failed rows back in the format you sent.\n\n' +
        'To try it: open *CreateBatch*, paste lines of JSON, execute. A browser in which you are signed in needs no key; without a session, **Authorize** with an API key first.\n\n' +
        `[Back to the imports](${publicPath(publicUrl)}/)`,
    )
    .setVersion('1')
    // Relative to this document, so that the page works under every address of the service.
    .addServer(publicPath(publicUrl) || '/')
    .addSecurity(SECURITY_SCHEME, {
      type: 'http',
      scheme: 'bearer',
      description:
        'An API key, sent as `Authorization: Bearer <key>`. `Authorization: apikey <key>` does the same. A browser in which you are signed in needs no key here.',
    })
    .addSecurityRequirements(SECURITY_SCHEME);
  for (const [name, description] of TAGS) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    // Without this, an operation with a tag of its own is also listed under the name of its controller.
    autoTagControllers: false,
    operationIdFactory: operationId,
  });
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
      describeForPrograms(operation);
      if (method !== 'get' && method !== 'head' && method !== 'patch') describeIdempotencyKey(operation);
    }
  }
  return document;
}

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** One mechanism serves all routes that change something. */
function describeIdempotencyKey(operation: Operation): void {
  const parameters = (operation.parameters ??= []);
  if (parameters.some((parameter) => 'name' in parameter && parameter.name === 'Idempotency-Key')) return;
  parameters.push({
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'The same key with the same request repeats the first answer (`Idempotency-Replayed: true`); 409 while the first runs, 422 with another request.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  });
}

/** Swagger UI sends what it is given as an example, so that only what can be sent as it stands may be one. */
function describeForPrograms(operation: Operation): void {
  for (const parameter of operation.parameters ?? []) {
    if ('$ref' in parameter || parameter.required === true) continue;
    const schema = parameter.schema as { example?: unknown } | undefined;
    const example: unknown = parameter.example ?? schema?.example;
    delete parameter.example;
    delete schema?.example;
    if (typeof example !== 'string') continue;
    parameter.description = [parameter.description, `For example \`${example}\`.`].filter(Boolean).join(' ');
  }
  const { requestBody, operationId: id = '' } = operation;
  if (requestBody === undefined || '$ref' in requestBody) return;
  const json = requestBody.content['application/json'];
  if (json !== undefined && id in BODY_EXAMPLES) json.example = BODY_EXAMPLES[id];
  if (json !== undefined && id in NAMED_EXAMPLES) json.examples = NAMED_EXAMPLES[id];
  // Swagger UI offers a field for text, and for bytes only a file.
  const text = requestBody.content['text/plain'];
  if (text !== undefined) text.schema = { ...text.schema, format: undefined };
}

const STREAMED_TYPES = ['application/x-ndjson', 'application/jsonl', 'text/event-stream'];

/** OpenAPI 3.2 of the same routes. It describes what streams are made of, which earlier versions cannot. */
function withStreamItems(document: OpenAPIObject): OpenAPIObject {
  const copy = structuredClone(document);
  copy.openapi = '3.2.0';
  for (const item of Object.values(copy.paths)) {
    for (const operation of METHODS.map((method) => item[method])) {
      const itemSchema = STREAM_ITEMS[operation?.operationId ?? ''];
      if (itemSchema === undefined || operation === undefined) continue;
      for (const content of [operation.requestBody, ...Object.values(operation.responses ?? {})]) {
        if (content === undefined || '$ref' in content) continue;
        for (const type of STREAMED_TYPES) {
          const media = content.content?.[type];
          if (media !== undefined) Object.assign(media, { itemSchema });
        }
      }
    }
  }
  return copy;
}

type Responses = NonNullable<Operation['responses']>;

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

/** What the page loads. Its package has more files, which tell only which versions we run. */
const PAGE_FILES =
  /^\/?$|^\/(openapi\.json|swagger-ui(\.css|-bundle\.js|-init\.js|-standalone-preset\.js)|favicon-(16x16|32x32)\.png)$/;

/**
 * Swagger UI at /docs, its description at /docs/openapi.json, and the same for OpenAPI 3.2 at /docs/openapi-3.2.json. Both are public: they reveal no more than the source
 * does, and every call made from the page needs a key. We serve all assets ourselves, so the page works without the
 * internet.
 */
export function serveDocs(app: NestExpressApplication, publicUrl: string): void {
  let document: OpenAPIObject | undefined;
  const read = () => (document ??= openApiDocument(app, publicUrl));
  app.use('/docs/openapi-3.2.json', (_request: Request, response: Response) => {
    response.json(withStreamItems(read()));
  });
  app.use('/docs', ({ path }: Request, _response: Response, next: NextFunction) => {
    next(PAGE_FILES.test(path) ? undefined : httpErrors.route_not_found(`There is no file /docs${path}.`));
  });
  SwaggerModule.setup('docs', app, read, {
    jsonDocumentUrl: 'docs/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Workflow Import Queue: API',
    customCss: STYLE,
    swaggerOptions: {
      // A link inside the button that opens an operation could not be reached by everyone.
      deepLinking: false,
      requestInterceptor: completeAuthorization,
      onComplete: completeParts,
      // A key in the storage of the browser would outlive the session of the person who entered it.
      persistAuthorization: false,
      displayRequestDuration: true,
      // The colors of the default have too little contrast.
      syntaxHighlight: { theme: 'monokai' },
      tryItOutEnabled: true,
      validatorUrl: null,
    },
  });
}

/**
 * The bar holds nothing but the logo of Swagger, and the list of servers has one entry. Swagger's light colors have too
 * little contrast for white text on them, and as text on white.
 */
const STYLE = `
.swagger-ui .topbar, .swagger-ui .servers-title, .swagger-ui .servers { display: none }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #19734a }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #0b5cad }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a4b00 }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0b6e5d }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #b3180f }
html:not(.dark-mode) .swagger-ui .parameter__in { color: #505050 }
.swagger-ui .btn.execute { background-color: #0b5cad; border-color: #0b5cad }
.swagger-ui .btn.cancel { border-color: #b3180f; color: #b3180f }
.swagger-ui .json-schema-2020-12-expand-deep-button { color: #505050 }
.swagger-ui .info .title small { background: #5a6171 }
.swagger-ui .info .title small.version-stamp { background: #44660a }
html:not(.dark-mode) .swagger-ui .info a { color: #1f5fae }
html:not(.dark-mode) .swagger-ui .btn.authorize { border-color: #19734a; color: #19734a }
html:not(.dark-mode) .swagger-ui .btn.authorize svg { fill: #19734a }`;

interface OutgoingRequest {
  headers: Record<string, string | undefined>;
}

/**
 * Runs in the browser as text, so it must not use anything of this file. A user who pastes a key with its scheme means
 * that scheme.
 */
function completeAuthorization(request: OutgoingRequest): OutgoingRequest {
  const given = request.headers.Authorization;
  if (given !== undefined)
    request.headers.Authorization = given.replace(/^\s*Bearer\s+(?=(apikey|bearer)\s)/i, '').trim();
  return request;
}

interface PartOfPage {
  role: string | null;
  ariaLabel: string | null;
  ariaLevel: string | null;
  tabIndex: number;
  closest(selector: string): { getAttribute(name: string): string | null } | null;
}

interface Browser {
  document: { documentElement: unknown; querySelectorAll(selector: string): Iterable<PartOfPage> };
  MutationObserver: new (changed: () => void) => {
    observe(root: unknown, what: { childList: true; subtree: true }): void;
  };
}

/**
 * Runs in the browser as text, too. For people who hear the page: headings without gaps, no part or field without a
 * name, and examples that the keyboard can scroll.
 */
function completeParts(): void {
  const { document, MutationObserver } = globalThis as unknown as Browser;
  const complete = () => {
    const levels = { 'h3.opblock-tag, .models h4': '2', '.opblock h4': '3', '.opblock h5': '4' };
    for (const [headings, level] of Object.entries(levels)) {
      for (const heading of document.querySelectorAll(headings)) heading.ariaLevel = level;
    }
    for (const part of document.querySelectorAll('.information-container')) {
      part.role = 'region';
      part.ariaLabel = 'About this API';
    }
    for (const field of document.querySelectorAll('.opblock :is(input, select, textarea)')) {
      field.ariaLabel ??= field.closest('[data-param-name]')?.getAttribute('data-param-name') ?? 'Body';
    }
    for (const example of document.querySelectorAll('.opblock pre')) example.tabIndex = 0;
  };
  new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
}
