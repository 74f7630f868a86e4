import type { JsonValue } from '../../platform/json/json-value.js';
import { oneLine } from '../../platform/wording.js';
import { decimalText, parseDecimal } from '../rows/values/numbers.js';

/** The placeholder that stands for the time of the transaction. */
export const NOW = 'now';

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;

/**
 * A text with placeholders: `Dear {{First Name}}`. It deliberately has no logic: a template shows everything that it
 * can do, and no value can ever be mistaken for a part of the template.
 */
export class Template {
  private constructor(
    /** The texts before, between and after the placeholders: one more than the names. */
    private readonly literals: readonly string[],
    /** The names in the placeholders, in order. */
    readonly names: readonly string[],
  ) {}

  static parse(text: string): Template {
    const literals: string[] = [];
    const names: string[] = [];
    let end = 0;
    for (const { index, 0: placeholder, 1: name = '' } of text.matchAll(PLACEHOLDER)) {
      literals.push(text.slice(end, index));
      names.push(name.trim());
      end = index + placeholder.length;
    }
    return new Template([...literals, text.slice(end)], names);
  }

  /** Whether the text has braces that do not form a placeholder, as in `{{First Name}`. */
  get isMalformed(): boolean {
    return this.literals.some((literal) => literal.includes('{{') || literal.includes('}}'));
  }

  /** The name of the placeholder if the text is a single placeholder; else `null`. */
  get soleName(): string | null {
    const isSole = this.names.length === 1 && this.literals.every((literal) => literal === '');
    return isSole ? (this.names[0] ?? null) : null;
  }

  render(textOf: (name: string) => string): string {
    let text = this.literals[0] ?? '';
    for (const [index, name] of this.names.entries()) text += textOf(name) + (this.literals[index + 1] ?? '');
    return text;
  }
}

/** A value in a form that people read; an empty text if there is no value. */
export function valueText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'number' ? numberText(value) : JSON.stringify(value);
}

/** Without an exponent, as people write numbers: `0.0000001`, not `1e-7`. */
function numberText(value: number): string {
  const text = String(value);
  const decimal = text.includes('e') ? parseDecimal(text) : null;
  return decimal === null ? text : decimalText(decimal);
}

const ESCAPED_CHARACTERS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for HTML, between elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPED_CHARACTERS[character] ?? character);
}

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
/** A line ends after these elements; the text of a mail needs no further layout. */
const LINE_END = /<br\s*\/?>|<\/(?:p|div|h[1-6]|li|tr|table|ul|ol)\s*>/gi;
const DECODED_ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  nbsp: ' ',
  '#39': "'",
};

/**
 * A template with HTML elements becomes an HTML mail, with a text part for people who read mail as text. Any other
 * template becomes a text mail. So no setting is needed, and a text is sent exactly as written.
 */
export function mailTemplate(subject: string, template: string): MailTemplate {
  const isHtml = ELEMENT.test(template);
  return {
    subject: Template.parse(subject),
    text: Template.parse(isHtml ? textOf(template) : template),
    html: isHtml ? Template.parse(template) : null,
  };
}

/** Fills in the placeholders. In HTML, values are text: they can add neither elements nor links. */
export function renderMail(mail: MailTemplate, textOf: (name: string) => string): RenderedTemplate {
  return {
    subject: oneLine(mail.subject.render(textOf)),
    text: mail.text.render(textOf),
    html: mail.html?.render((name) => escapeHtml(textOf(name)).replace(/\r?\n/g, '<br>\n')) ?? null,
  };
}

/** Converts the template, not the mail: values can look like elements and must stay. */
function textOf(html: string): string {
  return html
    .replace(LINE_END, '\n')
    .replace(/<\/?[a-z!][^<>]*>/gi, '')
    .replace(/&(#?\w+);/g, (entity, name: string) => DECODED_ENTITIES[name.toLowerCase()] ?? entity)
    .trim();
}
