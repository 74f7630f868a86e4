import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import type { MailContent } from '../delivery/message.js';
import type { MailModel } from './mail-model.js';

export interface RenderedMail extends MailContent {
  html: string;
}

const TEMPLATES = join(import.meta.dirname, 'templates');

/**
 * Renders the mails. The mailer's own Handlebars adapter would not do: it renders while it sends, so nothing could be
 * kept where there is no SMTP server; it has no Handlebars for the text part; and it uses the global Handlebars. Text
 * and HTML have an environment each because only HTML is escaped. The templates are compiled at the start, and a name
 * that a template misspells is an error.
 */
@Injectable()
export class MailRenderer implements OnModuleInit {
  private templates: Readonly<Record<'text' | 'html', Handlebars.TemplateDelegate<MailModel>>> | undefined;

  async onModuleInit(): Promise<void> {
    const [text, html] = [Handlebars.create(), Handlebars.create()];
    html.registerPartial('table', await read('_table.html.hbs'));
    const options = { strict: true, preventIndent: true };
    this.templates = {
      text: text.compile(await read('mail.text.hbs'), { ...options, noEscape: true }),
      html: html.compile(await read('mail.html.hbs'), options),
    };
  }

  render(model: MailModel): RenderedMail {
    if (this.templates === undefined) throw new Error('the mail templates are not loaded yet');
    const { text, html } = this.templates;
    return { subject: model.subject, text: text(model), html: html(model) };
  }
}

function read(file: string): Promise<string> {
  return readFile(join(TEMPLATES, file), 'utf8');
}
