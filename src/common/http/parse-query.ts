import { parse, unescape, type ParsedUrlQuery } from 'node:querystring';

/**
 * The parameters of a query: names and texts, a repeated name as a list. Like Express's "simple" parser, but for two
 * things it passes over in silence. Bytes that are no UTF-8 come as lone surrogates, which no UTF-8 stands for, so that
 * `isWellFormed` tells them from a U+FFFD that was sent. And no parameter is left out, however many there are: the
 * length of a URL is bounded.
 */
export function parseQuery(query: string): ParsedUrlQuery {
  return parse(query, '&', '=', { decodeURIComponent: decoded, maxKeys: 0 });
}

const NO_UTF8 = '\udc80';

function decoded(text: string): string {
  try {
    // A percent sign that begins no byte stands for itself: q=100%
    return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return unescape(text).replaceAll('\ufffd', NO_UTF8);
  }
}
