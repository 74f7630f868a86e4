import { RE2JS } from 're2js';
import { errorMessage } from '../errors.js';

/** A regular expression whose matching time is proportional to the text, for any expression. */
export interface BoundedPattern {
  test(text: string): boolean;
  toString(): string;
}

/**
 * The expression cannot be used; the message gives the reason as the end of a sentence that begins with the expression.
 */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** The members of ECMAScript's `\s`; in RE2 it has only the ASCII ones. */
const SPACES =
  '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
/** The members of ECMAScript's `\S`, written out because a class cannot hold a negated class. */
const NO_SPACES =
  '\\x00-\\x08\\x0e-\\x1f!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}' +
  '\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}';
const NO_LINE_END = '[^\\n\\r\\x{2028}\\x{2029}]';

const TOKENS =
  /\\u\{([0-9a-fA-F]+)\}|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\c([a-zA-Z])|\\[pP]\{[^}]*\}|\(\?<(?![=!])|\[\^\]|\[\]|\\?[^]/gu;

/** The same expression in RE2's syntax. Both engines match code points, so nothing else differs. */
function toRe2(pattern: string): string {
  let inClass = false;
  return pattern.replace(TOKENS, (token: string, ...groups: (string | undefined)[]) => {
    const [codePoint, high, low, unit, control] = groups;
    if (high !== undefined && low !== undefined) return hex(surrogatePair(high, low));
    if (codePoint !== undefined || unit !== undefined) return `\\x{${codePoint ?? unit}}`;
    if (control !== undefined) return hex(control.charCodeAt(0) % 32);
    if (/^\\[pP]\{/.test(token)) return property(token);
    switch (token) {
      case '\\s':
        return inClass ? SPACES : `[${SPACES}]`;
      case '\\S':
        return inClass ? NO_SPACES : `[${NO_SPACES}]`;
      case '\\b':
        return inClass ? '\\x08' : token;
      case '\\0':
        return '\\x00';
      case '.':
        return inClass ? token : NO_LINE_END;
      case '(?<':
        return inClass ? '(?<' : '(?P<';
      case '[]':
      case '[^]':
        // `[]` matches nothing, `[^]` anything. Inside a class, they are a literal bracket and the end of that class.
        if (!inClass) return token === '[]' ? '[^\\x00-\\x{10FFFF}]' : '[\\x00-\\x{10FFFF}]';
        inClass = false;
        return `\\${token}`;
      case '[':
        if (inClass) return '\\[';
        inClass = true;
        return token;
      case ']':
        inClass = false;
        return token;
      default:
        return token;
    }
  });
}

/** General categories by the long names that ECMAScript also accepts. */
const CATEGORIES: Readonly<Record<string, string>> = {
  Letter: 'L',
  Lowercase_Letter: 'Ll',
  Uppercase_Letter: 'Lu',
  Titlecase_Letter: 'Lt',
  Mark: 'M',
  Number: 'N',
  Decimal_Number: 'Nd',
  Punctuation: 'P',
  Symbol: 'S',
  Currency_Symbol: 'Sc',
  Separator: 'Z',
  Space_Separator: 'Zs',
};

function property(token: string): string {
  const name = token.slice(3, -1).replace(/^(?:Script|sc|General_Category|gc)=/, '');
  return `${token.slice(0, 2)}{${CATEGORIES[name] ?? name}}`;
}

function hex(codePoint: number): string {
  return `\\x{${codePoint.toString(16)}}`;
}

function surrogatePair(high: string, low: string): number {
  return 0x10000 + ((parseInt(high, 16) - 0xd800) << 10) + (parseInt(low, 16) - 0xdc00);
}

/**
 * An ECMA-262 regular expression (the dialect of JSON Schema, with the `u` flag) on RE2's engine, which never
 * backtracks. A time limit on the built-in engine was the alternative; it would need a thread for each check.
 * Why: ADR 24.
 * @throws PatternError when the text is not a regular expression, or needs a feature that a linear-time engine cannot
 *   offer
 */
export function boundedPattern(pattern: string): BoundedPattern {
  try {
    new RegExp(pattern, 'u');
  } catch (error) {
    throw new PatternError(`is not a regular expression: ${syntaxReason(error)}`, { cause: error });
  }
  try {
    const compiled = RE2JS.compile(toRe2(pattern));
    // Ajv distinguishes patterns by this text.
    return { test: (text) => compiled.test(text), toString: () => `/${pattern}/u` };
  } catch (error) {
    throw new PatternError(
      'cannot be used: patterns run in bounded time (RE2), so they must do without look-ahead, look-behind and ' +
        `back-references, and repeat at most 1,000 times (${syntaxReason(error)})`,
      { cause: error },
    );
  }
}

function syntaxReason(error: unknown): string {
  const message = errorMessage(error);
  return message.replace(/^error parsing regexp: /, '').replace(/^Invalid regular expression: .*\/u: /s, '');
}
