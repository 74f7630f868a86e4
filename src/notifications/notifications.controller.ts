import { Controller, Get, Param } from '@nestjs/common';
import { ApiNotFoundResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchIdPipe, BatchReader } from '../batches/batch-reader.js';
import { DELIVERY_STATUSES, NOTIFICATION_KINDS, type StoredNotification } from '../delivery/message.js';
import {
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { NotificationsReader } from './mailbox.js';

/** The responses of the routes about mails. */
export const NOTIFICATION_SCHEMAS: Readonly<Record<string, Schema>> = {
  Notification: objectOf<StoredNotification>({
    id: INTEGER,
    kind: choice(...NOTIFICATION_KINDS),
    recipient: TEXT,
    status: choice(...DELIVERY_STATUSES),
    subject: says('null until the first attempt renders it.', orNull(TEXT)),
    text: orNull(TEXT),
    attempts: INTEGER,
    lastError: orNull(TEXT),
    createdAt: TIME,
    nextAttemptAt: says('null if there will be no further attempt.', orNull(TIME)),
    sentAt: orNull(TIME),
  }),
  NotificationList: itemsOf(refTo('Notification')),
};

@ApiTags('Batches')
@Controller('API/WorkflowImportQueue/Batches/:id/Notifications')
@RequirePermission('ViewImports')
export class NotificationsController {
  constructor(
    private readonly batches: BatchReader,
    private readonly notifications: NotificationsReader,
  ) {}

  @Get()
  @ApiOperation({ summary: 'The mails about a batch, sent or not, with status and text' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({
    description: '`not_sent_no_smtp`: the mail was kept because SMTP_URL is not set',
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
