import { oneLine } from '../../notifications/one-line.js';
import { escapeHtml, Template } from './template.js';

/** A mail before its placeholders are filled in. */
export interface MailTemplate {
  subject: Template;
  text: Template;
  /** `null`: the mail is sent as text only. */
  html: Template | null;
}

export interface RenderedTemplate {
  subject: string;
  text: string;
  html: string | null;
}

const ELEMENT = /<\/?[a-z][^<>]*>/i;
/** After these a line ends; that is all of the layout that a text needs. */
const LINE_END = /<br\s*\/?>|<\/(?:p|div|h[1-6]|li|tr|table|ul|ol)\s*>/gi;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: ' ',
  '#39': "'",
};

/**
 * A template with HTML elements makes a mail of HTML, and of text without them for those who read that; any other
 * makes a mail of text. So nobody has to say which it is, and a text is sent exactly as it was written.
 */
export function mailTemplate(subject: string, template: string): MailTemplate {
  const isHtml = ELEMENT.test(template);
  return {
    subject: Template.parse(subject),
    text: Template.parse(isHtml ? textOf(template) : template),
    html: isHtml ? Template.parse(template) : null,
  };
}

/** Fills the placeholders in. In HTML, values are text: whatever they hold, they add no element and no link. */
export function renderMail(mail: MailTemplate, textOf: (name: string) => string): RenderedTemplate {
  return {
    subject: oneLine(mail.subject.render(textOf)),
    text: mail.text.render(textOf),
    html: mail.html?.render((name) => escapeHtml(textOf(name)).replace(/\r?\n/g, '<br>\n')) ?? null,
  };
}

/** Of the template, not of the mail: values may look like elements and must stay. */
function textOf(html: string): string {
  return html
    .replace(LINE_END, '\n')
    .replace(/<\/?[a-z!][^<>]*>/gi, '')
    .replace(/&(#?\w+);/g, (entity, name: string) => ENTITIES[name.toLowerCase()] ?? entity)
    .trim();
}
