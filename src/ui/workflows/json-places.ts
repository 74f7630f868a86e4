import { isNode, LineCounter, parseDocument } from 'yaml';
import { findJsonSyntaxError } from '../../formats/json/json-syntax.js';
import type { ProblemDetail } from '../../platform/domain-error.js';
import { text as wording } from '../texts/catalogue.js';

/** A mistake in a text that a person wrote, with its place. */
export interface PlacedProblem {
  /** 1-based; `null` when the place is not in the text, for example a missing member. */
  line: number | null;
  pointer: string | null;
  message: string;
  /** The content of the line. */
  excerpt: string | null;
}

/** Finds the place of each problem in a JSON text. JSON is YAML, whose parser keeps the places that `JSON.parse` drops. */
export function placedProblems(text: string, problems: readonly ProblemDetail[]): PlacedProblem[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, keepSourceTokens: false, uniqueKeys: false });
  return problems.map(({ pointer, message }) => {
    const line = pointer === undefined ? null : lineOf(document, lines, pointer);
    return {
      line,
      pointer: pointer ?? null,
      message,
      excerpt: line === null ? null : lineOfText(text, line),
    };
  });
}

/** The place where a text that `JSON.parse` refused stops being JSON. */
export function syntaxProblem(text: string): PlacedProblem {
  const { index, message } = findJsonSyntaxError(text) ?? {
    index: text.length,
    message: wording('workflow.endsTooSoon'),
  };
  const line = text.slice(0, index).split('\n').length;
  return {
    line,
    pointer: null,
    message: wording('workflow.notJson', { reason: message }),
    excerpt: lineOfText(text, line),
  };
}

/** The line of the value, or of the nearest value around it that exists. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  pointer: string,
): number | null {
  const path = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return null;
}

function lineOfText(text: string, line: number): string {
  return (text.split('\n')[line - 1] ?? '').trim().slice(0, 200);
}
