import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Controller, Logger, Module, type OnModuleDestroy, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import {
  assertHoldsOneOf,
  type AuthenticatedRequest,
  RefusalLog,
  RequirePermission,
} from '../auth/access.js';
import { AuthModule } from '../auth/auth.module.js';
import { BatchesModule } from '../batches/batches.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { ImportQueueModule } from '../import-queue/import-queue.module.js';
import { AppConfig } from '../platform/config/config.js';
import { problemJson, toProblem } from '../platform/http/problem.filter.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { McpHandler } from './tools.js';
import { McpTools } from './mcp-tools.js';
import type { McpTool, ToolCall } from './tools.js';

const PATH = '/mcp';
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 429]);

/**
 * The Model Context Protocol over streamable HTTP, without sessions: each request is complete by itself, so that any
 * process can answer it, and a revoked key ends with the next request.
 */
@ApiExcludeController()
@Controller('mcp')
@RequirePermission(
  'BeginWorkflowImportProcess',
  'ViewImports',
  'ManageImports',
  'Configure',
  'ReadOwnImports',
)
class McpController implements OnModuleDestroy {
  private readonly logger = new Logger('Mcp');
  private loaded: Promise<McpHandler> | undefined;

  constructor(
    private readonly config: AppConfig,
    private readonly tools: McpTools,
    private readonly refusals: RefusalLog,
  ) {}

  async onModuleDestroy(): Promise<void> {
    await (await this.loaded)?.close();
  }

  /** Answers one message. A session cannot be opened or ended, so GET and DELETE do not exist. */
  @Post()
  async answer(@Req() request: AuthenticatedRequest, @Res() response: Response): Promise<void> {
    const gone = goneWith(response);
    const asked = new Request(new URL(PATH, this.config.publicUrl), {
      method: 'POST',
      headers: headersOf(request),
      signal: gone,
    });
    const { principal } = request;
    const authInfo = {
      ...{ token: '', clientId: principal.id, scopes: [...principal.permissions] },
      extra: { request },
    };
    const handler = await this.handler();
    const answer = await handler.fetch(asked, { authInfo, parsedBody: request.body as unknown });
    response.status(answer.status).setHeaders(answer.headers).setHeader('Cache-Control', 'no-store');
    if (answer.body === null) response.end();
    else await pipeline(Readable.fromWeb(answer.body), response);
  }

  /** Loads the protocol with the first request: most installations never need it. */
  private handler(): Promise<McpHandler> {
    return (this.loaded ??= import('./tools.js').then(({ createHandler }) =>
      createHandler(
        (tool, given, request) => this.perform(tool, given, request),
        ({ message }) => this.logger.debug(`A request was refused: ${message}`),
      ),
    ));
  }

  private async perform(tool: McpTool, given: unknown, request: AuthenticatedRequest) {
    const { principal } = request;
    const call: ToolCall = { principal, gone: goneWith(request.res) };
    try {
      assertHoldsOneOf(principal, tool.permissions);
      return result(await tool.run(this.tools, given, call));
    } catch (error) {
      return { ...result(this.refused(tool, error, request)), isError: true };
    }
  }

  /** The error as the HTTP API would answer it; also in the audit log, which sees the HTTP status 200 only. */
  private refused({ name }: McpTool, error: unknown, request: AuthenticatedRequest): JsonObject {
    const errorId = randomUUID();
    const problem = toProblem(error, errorId);
    const { status, code } = problem;
    if (status >= 500) this.logger.error(error, { errorId, tool: name, status, code });
    if (REFUSALS.has(status)) {
      const details = { status, code, method: request.method, path: PATH, tool: name };
      const entry = { actor: request.principal.id, action: 'access_refused', details };
      void this.refusals.note(request, entry, `${status} ${code} ${name}`);
    }
    return { error: problemJson(problem, PATH) as JsonObject };
  }
}

/** Clients that do not know structured results read the same JSON as text. */
function result(structured: JsonObject) {
  return {
    content: [{ type: 'text' as const, text: JSON.stringify(structured) }],
    structuredContent: structured,
  };
}

/** Without the credentials, which have been checked: nothing else needs them. */
function headersOf(request: AuthenticatedRequest): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(request.headersDistinct)) {
    if (name === 'authorization' || name === 'cookie' || name.startsWith(':')) continue;
    for (const value of values) headers.append(name, value);
  }
  return headers;
}

function goneWith(response: Response | undefined): AbortSignal {
  const gone = new AbortController();
  response?.once('close', () => gone.abort());
  return gone.signal;
}

/** Tools for assistants. Only in processes with an API. */
@Module({
  imports: [AuthModule, BatchesModule, ImportProcessesModule, ImportQueueModule],
  controllers: [McpController],
  providers: [McpTools],
})
export class McpModule {}
