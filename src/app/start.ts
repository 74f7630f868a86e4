import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DataSource } from 'typeorm';
import { auditRefusals, RefusalLog } from '../auth/access.js';
import { IdempotencyInterceptor } from '../auth/idempotency.js';
import { beginInTurns } from '../import-queue/admission.service.js';
import { serveDocs } from '../operations/openapi.js';
import type { ServiceConfig } from '../platform/config/config-loader.js';
import type { AppConfig } from '../platform/config/config.js';
import { ReadReplica, ReplicaInterceptor } from '../platform/database/read-replica.js';
import { checkTransactionBound } from '../platform/database/session-settings.js';
import {
  cachingDefaults,
  compressedAnswers,
  crossOrigin,
  publicPathMiddleware,
  refuseAmbiguousPublicPath,
  refuseUnusedFeatures,
} from '../platform/http/answers.js';
import { ERROR_PAGE, type ErrorPage, ProblemFilter } from '../platform/http/problem.filter.js';
import {
  answerProtocolErrors,
  BodyParsingInterceptor,
  discardUnreadBodies,
  parseQuery,
  refuseUnusable,
  securityHeaders,
} from '../platform/http/protocol.js';
import { DtoValidationPipe } from '../platform/http/validation.js';
import { accessLog, AppLogger, requestContext, traceRequest } from '../platform/instrumentation.js';
import { AppModule } from './app.module.js';
import { installationId, migrate, requireSchema } from './database.js';

export interface RunningService {
  /** The URL at which it listens, for example http://127.0.0.1:3000. */
  url: string;
  app: NestExpressApplication;
  stop(): Promise<void>;
}

/** Brings the schema up to date, then starts the application and listens. */
export async function startService(config: ServiceConfig): Promise<RunningService> {
  // Until the application exists, Nest would log in its own format.
  Logger.overrideLogger(new AppLogger(config.logLevel));
  if (config.migrateOnStart) await migrate(config);
  else await requireSchema(config.databaseUrl);
  const app = await createApp({ ...config, migrateOnStart: false });
  await checkTransactionBound(app.get(DataSource), {
    idleTransactionMs: config.databaseIdleTransactionMs,
  });
  try {
    await app.init();
    refuseAmbiguousPublicPath(config.publicUrl, app.getHttpAdapter().getInstance());
    await app.listen(config.port, config.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { url: `http://${urlHost(config.host)}:${port}`, app, stop: () => app.close() };
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

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
