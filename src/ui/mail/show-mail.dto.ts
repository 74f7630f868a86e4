import { IsIn, IsOptional, MaxLength } from 'class-validator';
import type { NotificationStatus } from '../../notifications/entities/notification.entity.js';

export const MAIL_STATUSES: readonly NotificationStatus[] = [
  'pending',
  'sending',
  'sent',
  'failed',
  'not_sent_no_smtp',
];

/** The query of the page of mails. */
export class ShowMailDto {
  @IsOptional()
  @IsIn(['imports', 'actions'], { message: 'of must be imports or actions' })
  of: 'imports' | 'actions' = 'imports';

  @IsOptional()
  @IsIn(MAIL_STATUSES, { message: `status must be one of ${MAIL_STATUSES.join(', ')}` })
  status?: NotificationStatus;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}
