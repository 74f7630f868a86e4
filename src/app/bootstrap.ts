import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { auditRefusals, RefusalLog } from '../auth/access.js';
import { IdempotencyInterceptor } from '../auth/idempotency.js';
import { serveDocs } from '../operations/openapi.js';
import type { AppConfig } from '../platform/config/config.js';
import { ReadReplica, ReplicaInterceptor } from '../platform/database/read-replica.js';
import {
  cachingDefaults,
  crossOrigin,
  publicPathMiddleware,
  refuseUnusedFeatures,
} from '../platform/http/headers.js';
import { ERROR_PAGE, type ErrorPage, ProblemFilter } from '../platform/http/problem.filter.js';
import {
  answerProtocolErrors,
  BodyParsingInterceptor,
  discardUnreadBodies,
  parseQuery,
  refuseUnusable,
  securityHeaders,
} from '../platform/http/protocol.js';
import { compressedAnswers } from '../platform/http/downloads.js';
import { beginInTurns } from '../platform/http/request-turns.js';
import { DtoValidationPipe } from '../platform/http/validation.js';
import { accessLog, AppLogger, requestContext, traceRequest } from '../platform/instrumentation.js';
import { AppModule } from './app.module.js';
import { installationId } from './database.js';

/** A body of 2 GiB takes this long at 2.4 Mbit/s; Node's own limit of five minutes would cut it off in the middle. */
const LONGEST_REQUEST_MS = 2 * 3600_000;

/** Creates the application, configured but not yet listening. The e2e tests use it, too. */
export async function createApp(given: AppConfig): Promise<NestExpressApplication> {
  const queuePrefix = `${given.queuePrefix}:${await installationId(given.databaseUrl)}`;
  const config: AppConfig = { ...given, queuePrefix };
  // main.ts handles signals, because embedded servers must outlive the application.
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config), {
    bodyParser: false,
    abortOnError: false,
    logger: new AppLogger(config.logLevel),
  });
  configureHttp(app, config);
  if (config.role !== 'worker') serveDocs(app, config.publicUrl);
  return app;
}

function configureHttp(app: NestExpressApplication, config: AppConfig): void {
  // A parameter consists of a name and a text: nested names would let a[b]=c bypass the check for unknown names.
  app.set('query parser', parseQuery);
  // X-Forwarded-For counts only from these proxies. Anyone else could write any address into it and so avoid the
  // throttle of failed sign-ins.
  app.set('trust proxy', ['loopback', ...config.trustedProxies]);
  app.use(
    publicPathMiddleware(config.publicUrl),
    traceRequest,
    requestContext,
    accessLog,
    auditRefusals(app.get(RefusalLog, { strict: false })),
    securityHeaders(config.publicUrl),
    refuseUnusedFeatures,
    compressedAnswers(),
    crossOrigin(config.corsOrigins),
    cachingDefaults,
    discardUnreadBodies,
    refuseUnusable,
  );
  const page = config.role === 'worker' ? null : app.get<ErrorPage>(ERROR_PAGE, { strict: false });
  app.useGlobalFilters(new ProblemFilter(page));
  app.useGlobalInterceptors(
    new BodyParsingInterceptor(config.receiveIdleMs * 2),
    new ReplicaInterceptor(app.get(ReadReplica)),
    app.get(IdempotencyInterceptor, { strict: false }),
  );
  app.useGlobalPipes(new DtoValidationPipe());
  const server = app.getHttpServer();
  server.requestTimeout = LONGEST_REQUEST_MS;
  answerProtocolErrors(server);
  beginInTurns(server);
}
