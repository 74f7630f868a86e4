import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import { type MailedOutcome, type MailModel, subjectOf } from './mail-model.js';

const TEMPLATES = join(import.meta.dirname, 'templates');

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

type Format = 'text' | 'html';

/**
 * Renders the mails. Not with the mailer's own Handlebars adapter: it renders within sending, so that nothing could
 * be kept where there is no SMTP server, knows no Handlebars for the text part, and uses the global Handlebars. Text
 * and HTML have an environment each, since only HTML is escaped. All templates are compiled at the start, and a name
 * that a template misspells is an error.
 */
@Injectable()
export class MailRenderer implements OnModuleInit {
  private readonly environments = { text: Handlebars.create(), html: Handlebars.create() };
  private readonly templates = new Map<string, Handlebars.TemplateDelegate>();

  async onModuleInit(): Promise<void> {
    for (const file of await readdir(TEMPLATES)) {
      const parts = /^(_?)([a-z-]+)\.(text|html)\.hbs$/.exec(file);
      if (parts === null) throw new Error(`${file} in ${TEMPLATES} is neither a text nor an HTML template`);
      const [, partial, name, format] = parts as unknown as [string, string, string, Format];
      const source = await readFile(join(TEMPLATES, file), 'utf8');
      if (partial === '_') this.environments[format].registerPartial(name, source);
      else this.templates.set(`${name}.${format}`, this.compile(format, source));
    }
  }

  render(outcome: MailedOutcome, model: MailModel): RenderedMail {
    return {
      subject: subjectOf(outcome, model.fileName),
      text: this.template(outcome, 'text')(model),
      html: this.template(outcome, 'html')(model),
    };
  }

  private compile(format: Format, source: string): Handlebars.TemplateDelegate {
    return this.environments[format].compile(source, {
      strict: true,
      noEscape: format === 'text',
      preventIndent: true,
    });
  }

  private template(outcome: MailedOutcome, format: Format): Handlebars.TemplateDelegate {
    const template = this.templates.get(`${outcome}.${format}`);
    if (template === undefined) throw new Error(`there is no template for "${outcome}" as ${format}`);
    return template;
  }
}
