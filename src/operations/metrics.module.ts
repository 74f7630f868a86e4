import { Controller, Get, Header, Module, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { assertUnlimited, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { TEXT } from '../platform/http/answer-schemas.js';
import { QueueModule } from '../platform/queue/queues.js';
import { MetricsService, QueueFigures } from './metrics.service.js';

/** Requires ViewImports, because the figures show how much is imported and when (ADR 17). */
@ApiTags('Health')
@Controller('metrics')
@RequirePermission('ViewImports')
class MetricsController {
  constructor(private readonly metrics: MetricsService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Figures for Prometheus',
    description: 'In Prometheus: `authorization: {type: apikey, credentials: <key with ViewImports>}`.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'The text format of Prometheus', schema: TEXT })
  async figures(
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    assertUnlimited(principal);
    const text = await this.metrics.text();
    response.setHeader('Content-Type', this.metrics.contentType);
    return text;
  }
}

/** Every role serves them: each process has figures of its own. */
@Module({
  imports: [QueueModule],
  controllers: [MetricsController],
  providers: [MetricsService, QueueFigures],
})
export class MetricsModule {}
