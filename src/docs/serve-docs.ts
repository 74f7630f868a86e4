import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import { openApiDocument } from './openapi-document.js';

/**
 * Swagger UI at /docs, its description at /docs/openapi.json. Open to everybody: it says nothing that the source does
 * not, and every call made from it needs a key. All assets are our own, so it works without the internet.
 */
export function serveDocs(app: NestExpressApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'docs/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Workflow Import Queue: API',
    swaggerOptions: {
      requestInterceptor: completeAuthorization,
      // Survives a reload of the page; kept in this browser only.
      persistAuthorization: true,
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
 * Runs in the browser, as text (it may use nothing of this file): whoever authorizes with the bare key means
 * `apikey <key>`. OpenAPI's own schemes know a prefix only for Basic and Bearer.
 */
function completeAuthorization(request: OutgoingRequest): OutgoingRequest {
  const given = request.headers.Authorization;
  if (given !== undefined && !/^\s*(apikey|basic)\s/i.test(given)) {
    request.headers.Authorization = `apikey ${given.trim()}`;
  }
  return request;
}
