import { Get, Injectable, Param, Post, Query, Redirect } from '@nestjs/common';
import { IsIn, IsOptional, MaxLength } from 'class-validator';
import { CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { DELIVERY_STATUSES, type DeliveryStatus, type StoredNotification } from '../delivery/message.js';
import { Mailbox, type MailboxEntry } from '../notifications/mailbox.js';
import { mailNotFound } from '../notifications/notifications.errors.js';
import { PathIdPipe, validateQuery } from '../platform/http/validation.js';
import { nonBlankFields } from './forms.js';
import { importPath, instancePath, withQuery } from './layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from './page-renderer.js';
import { mailLabel, type StatusLabel } from './status-label.js';
import { text } from './texts/catalogue.js';

/** The query of the page of mails. */
class ShowMailDto {
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

/** A mail as the page of its import shows it. */
interface MailView {
  label: StatusLabel;
  subject: string;
  recipient: string;
  sentAt: string | null;
  /** `null` until the first attempt to send the mail, which writes it. */
  text: string | null;
  lastError: string | null;
}

export function mailView(mail: StoredNotification): MailView {
  return {
    label: mailLabel(mail.status),
    subject: mail.subject ?? text('mail.ofKind', { kind: mail.kind }),
    recipient: mail.recipient,
    sentAt: mail.sentAt?.toISOString() ?? null,
    text: mail.text,
    lastError: mail.lastError,
  };
}

const PATH = '/mail';

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
      title: text('mail.title'),
      section: 'mail',
      tabs: [
        { text: text('mail.aboutImports'), path: `${PATH}?of=imports`, current: query.of === 'imports' },
        { text: text('mail.sentByActions'), path: `${PATH}?of=actions`, current: query.of === 'actions' },
      ],
      of: query.of,
      filtered: query.status !== undefined || query.after !== undefined,
      allPath: withQuery(PATH, { of: query.of }),
      statuses: DELIVERY_STATUSES.map((value) => ({
        value,
        text: mailLabel(value).text,
        selected: value === query.status,
      })),
      mails: items.map((mail) => ({
        ...mail,
        subject: mail.subject ?? text('mail.noSubjectYet'),
        at: (mail.sentAt ?? mail.createdAt).toISOString(),
        label: mailLabel(mail.status),
        batchPath: mail.batchId === null ? null : importPath(mail.batchId),
        instancePath: pathOfInstance(mail),
        resendId: `resend-${mail.id}`,
        resendPath: mayResend && mail.status !== 'sending' ? resendPath(mail, query) : null,
      })),
      nextPath: nextCursor === null ? null : withQuery(PATH, { ...query, after: nextCursor }),
    });
  }

  /** Leads back to the mails that were shown. */
  async resend(id: number, query: ShowMailDto, principal: Principal): Promise<string> {
    await this.mailbox.resend(id, principal);
    return withQuery(PATH, { ...query });
  }
}

function pathOfInstance({ workflow, instanceId }: MailboxEntry): string | null {
  return workflow === null ? null : instancePath(workflow, String(instanceId));
}

function resendPath(mail: MailboxEntry, query: ShowMailDto): string {
  const instance = pathOfInstance(mail);
  return instance === null
    ? withQuery(`${PATH}/${mail.id}/resend`, { ...query })
    : `${instance}/behaviors/${mail.id}/resend`;
}

/** The id of a mail in a path. */
@Injectable()
class MailIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return mailNotFound(id);
  }
}

@PageController('mail')
@RequirePermission('ViewImports')
export class MailPagesController {
  constructor(private readonly mails: MailPage) {}

  @Get()
  @HtmlPage()
  list(@Query() query: object, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.mails.render(validateQuery(ShowMailDto, nonBlankFields(query)), principal);
  }

  @Post(':id/resend')
  @RequirePermission('ManageImports')
  @Redirect(undefined, 303)
  async resend(
    @Param('id', MailIdPipe) id: number,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    const shown = validateQuery(ShowMailDto, nonBlankFields(query));
    return { url: await this.mails.resend(id, shown, principal) };
  }
}
