import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { PROBLEM_SCHEMA } from './problem-schema.js';

const SECURITY_SCHEME = 'apikey';
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
    schemas: { ...document.components?.schemas, Problem: PROBLEM_SCHEMA },
  };
  document.paths = Object.fromEntries(
    Object.entries(document.paths).filter(([path]) => /^\/(API\/|health\/|metrics$)/.test(path)),
  );
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation === undefined) continue;
      if (path.startsWith('/health/')) operation.security = [];
      operation.responses = { ...withMediaTypes(path, operation.responses ?? {}), default: REFUSAL };
    }
  }
  return document;
}

type Responses = NonNullable<NonNullable<OpenAPIObject['paths'][string]['get']>['responses']>;

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
const REFUSAL = { description: 'Any refusal, as problem details (RFC 9457)', content: PROBLEM };

/** Files come in the form that was asked for. */
const DOWNLOAD = /\/(Export|Results|Schema|Template)$/;

/** Else Swagger UI, knowing no other type, asks for problems: `Accept: application/problem+json`. */
function withMediaTypes(path: string, responses: Responses): Responses {
  const success: Record<string, object> = DOWNLOAD.test(path) ? { '*/*': {} } : { 'application/json': {} };
  const typed: Responses = {};
  for (const [status, response] of Object.entries(responses)) {
    if (response === undefined) continue;
    const known = '$ref' in response || response.content !== undefined || status === '204';
    typed[status] = known ? response : { ...response, content: status.startsWith('2') ? success : PROBLEM };
  }
  return typed;
}
