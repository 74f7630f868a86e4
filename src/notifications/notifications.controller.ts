import { Controller, Get, Param } from '@nestjs/common';
import { ApiNotFoundResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal } from '../auth/current-principal.decorator.js';
import type { Principal } from '../auth/principal.js';
import { RequirePermission } from '../auth/require-permission.decorator.js';
import { BatchIdPipe } from '../import-queue/results/batch-id.pipe.js';
import { BatchReader } from '../import-queue/results/batch-reader.js';
import { NotificationsReader } from './notifications-reader.js';
import type { StoredNotification } from './sql/select-notifications.js';
import { refTo } from '../common/http/answer-schemas.js';

@ApiTags('Batches')
@Controller('API/WorkflowImportQueue/Batches/:id/Notifications')
@RequirePermission('ViewImports')
export class NotificationsController {
  constructor(
    private readonly batches: BatchReader,
    private readonly notifications: NotificationsReader,
  ) {}

  @Get()
  @ApiOperation({ summary: 'The mails about a batch, with status and text, sent or not' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({
    description: '`not_sent_no_smtp` is a mail that was kept because SMTP_URL is not set',
    schema: refTo('NotificationList'),
  })
  @ApiNotFoundResponse({ description: 'batch_not_found' })
  async list(
    @Param('id', BatchIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ items: StoredNotification[] }> {
    await this.batches.row(id, principal);
    return { items: await this.notifications.listByBatch(id) };
  }
}
