import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';
import { AppLogger } from './common/app-logger.js';
import { accessLog } from './common/http/access-log.js';
import { DtoValidationPipe } from './common/http/dto-validation.pipe.js';
import { formBody } from './common/http/form-body.js';
import { jsonBody } from './common/http/json-body.js';
import { ERROR_PAGE, type ErrorPage } from './common/http/error-page.js';
import { parseQuery } from './common/http/parse-query.js';
import { ProblemFilter } from './common/http/problem.filter.js';
import { answerProtocolErrors, refuseUnusable } from './common/http/protocol-errors.js';
import { requestContext } from './common/http/request-context.js';
import { securityHeaders } from './common/http/security-headers.js';
import type { AppConfig } from './config/config.js';
import { serveDocs } from './docs/serve-docs.js';

/** A body of 2 GiB takes this long at 2.4 Mbit/s; Node's own five minutes would cut it off in the middle. */
const LONGEST_REQUEST_MS = 2 * 3600_000;

/** The application, configured but not yet listening; e2e tests make theirs with it too. */
export async function createApp(config: AppConfig): Promise<NestExpressApplication> {
  // Signals are handled in main.ts, since embedded servers must outlive the application.
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config), {
    bodyParser: false,
    abortOnError: false,
    logger: new AppLogger(config.logLevel),
  });
  configureHttp(app, config);
  if (config.role !== 'worker') serveDocs(app);
  return app;
}

function configureHttp(app: NestExpressApplication, config: AppConfig): void {
  // A parameter is a name and a text: nested names would let a[b]=c past the check for unknown ones.
  app.set('query parser', parseQuery);
  // X-Forwarded-For counts only from a proxy on this machine. Anybody else could write any address into it, and so
  // get round the throttle of failed sign-ins.
  app.set('trust proxy', 'loopback');
  app.use(
    requestContext,
    accessLog,
    securityHeaders(config.publicUrl),
    refuseUnusable,
    jsonBody(),
    formBody(),
  );
  const page = config.role === 'worker' ? null : app.get<ErrorPage>(ERROR_PAGE, { strict: false });
  app.useGlobalFilters(new ProblemFilter(page));
  app.useGlobalPipes(new DtoValidationPipe());
  const server = app.getHttpServer();
  server.requestTimeout = LONGEST_REQUEST_MS;
  answerProtocolErrors(server);
}
