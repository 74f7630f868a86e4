import { Injectable } from '@nestjs/common';
import { IsIn, IsOptional, MaxLength } from 'class-validator';
import type { Principal } from '../../auth/principal.js';
import { DELIVERY_STATUSES, type DeliveryStatus, type StoredNotification } from '../../delivery/message.js';
import { Mailbox, type MailboxEntry } from '../../notifications/mailbox.js';
import { PageRenderer } from '../page-renderer.js';
import { mailLabel, type StatusLabel } from '../status-label.js';

/** The query of the page of mails. */
export class ShowMailDto {
  @IsOptional()
  @IsIn(['imports', 'actions'], { message: 'of must be imports or actions' })
  of: 'imports' | 'actions' = 'imports';

  @IsOptional()
  @IsIn(DELIVERY_STATUSES, { message: `status must be one of ${DELIVERY_STATUSES.join(', ')}` })
  status?: DeliveryStatus;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}

export interface MailView {
  label: StatusLabel;
  subject: string;
  recipient: string;
  sentAt: string | null;
  /** `null` until it is written, at the first attempt to send it. */
  text: string | null;
  lastError: string | null;
}

export function mailView(mail: StoredNotification): MailView {
  return {
    label: mailLabel(mail.status),
    subject: mail.subject ?? `Mail of ${mail.kind}`,
    recipient: mail.recipient,
    sentAt: mail.sentAt?.toISOString() ?? null,
    text: mail.text,
    lastError: mail.lastError,
  };
}

/** All mails: about imports, and those that actions sent. */
@Injectable()
export class MailPage {
  constructor(
    private readonly mailbox: Mailbox,
    private readonly pages: PageRenderer,
  ) {}

  async render(query: ShowMailDto, principal: Principal): Promise<string> {
    const { items, nextCursor } = await this.mailbox.page(query, principal);
    const mayResend = principal.permissions.includes('ManageImports');
    return this.pages.render('mail/mails', {
      title: 'Mail',
      section: 'mail',
      tabs: [
        { text: 'About imports', path: '/mail?of=imports', current: query.of === 'imports' },
        { text: 'Sent by actions', path: '/mail?of=actions', current: query.of === 'actions' },
      ],
      of: query.of,
      filtered: query.status !== undefined || query.after !== undefined,
      allPath: pathOf({ of: query.of }),
      statuses: DELIVERY_STATUSES.map((value) => ({
        value,
        text: mailLabel(value).text,
        selected: value === query.status,
      })),
      mails: items.map((mail) => ({
        ...mail,
        subject: mail.subject ?? 'Not written yet',
        sentAt: mail.sentAt?.toISOString() ?? null,
        createdAt: mail.createdAt.toISOString(),
        label: mailLabel(mail.status),
        batchPath: mail.batchId === null ? null : `/imports/${mail.batchId}`,
        instancePath: instancePath(mail),
        resendPath: mayResend && mail.status !== 'sending' ? resendPath(mail, query) : null,
      })),
      nextPath: nextCursor === null ? null : pathOf({ ...query, after: nextCursor }),
    });
  }

  /** Leads back to the mails that were shown. */
  async resend(id: number, query: ShowMailDto, principal: Principal): Promise<string> {
    await this.mailbox.resend(id, principal);
    return pathOf(query);
  }
}

function instancePath({ workflow, instanceId }: MailboxEntry): string | null {
  return workflow === null ? null : `/workflows/${encodeURIComponent(workflow)}/instances/${instanceId}`;
}

function resendPath(mail: MailboxEntry, query: ShowMailDto): string {
  const instance = instancePath(mail);
  return instance === null
    ? pathOf(query, `/mail/${mail.id}/resend`)
    : `${instance}/behaviors/${mail.id}/resend`;
}

function pathOf({ of, status, after }: ShowMailDto, path = '/mail'): string {
  const query = new URLSearchParams({
    of,
    ...(status !== undefined && { status }),
    ...(after !== undefined && { after }),
  });
  return `${path}?${query.toString()}`;
}
