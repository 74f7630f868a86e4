import sanitizeHtml from 'sanitize-html';
import type { ValueType } from './value-type.js';
import { NumberText } from '../number-text.js';
import { lengthError, readText, type TextAttribute, textSchema } from './text.js';
import { ValueError } from './value-error.js';

/** The parser's cost grows with the square of the depth: a line of 1 MB of `<b>` would take a minute. */
const DEEPEST = 100;

const TOO_DEEP = new ValueError(
  'rich_text_too_deep',
  `must not have HTML elements inside each other deeper than ${DEEPEST} levels`,
  false,
);

/** Stops the parser. */
class TooDeepError extends Error {
  override readonly name = 'TooDeepError';
}

/**
 * RichText: HTML of which the harmless part is kept. A text without `<`, `>` and `&` is not touched. What is
 * stored can be shown as it is; the length is that of what is stored.
 */
export function richTextType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      const html = readText(value, numbers, source);
      if (html instanceof ValueError) return html;
      const safe = sanitised(html);
      if (typeof safe !== 'string') return safe;
      return safe === '' ? null : (lengthError(safe, limit) ?? safe);
    },
    // No maxLength: what is removed does not count.
    schemas: [textSchema(undefined), { type: ['number', 'boolean'] }],
    form:
      maxLength === undefined
        ? 'HTML; scripts, styles and the like are removed'
        : `HTML of at most ${maxLength} characters; scripts, styles and the like are removed`,
    example: '<p>Text</p>',
  };
}

function sanitised(html: string): string | ValueError {
  if (!/[<>&]/.test(html)) return html;
  let depth = 0;
  try {
    return sanitizeHtml(html, {
      allowedTags: [...sanitizeHtml.defaults.allowedTags, 'del', 'ins'],
      parseStyleAttributes: false,
      onOpenTag: () => {
        depth += 1;
        if (depth > DEEPEST) throw new TooDeepError();
      },
      onCloseTag: () => {
        depth -= 1;
      },
    });
  } catch (error) {
    if (error instanceof TooDeepError) return TOO_DEEP;
    throw error;
  }
}
