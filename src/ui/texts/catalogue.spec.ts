import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { html, isPlural, text, TEXTS } from './catalogue.js';

const UI = join(__dirname, '..');

function sources(folder: string, ending: string): { file: string; source: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => ({ file, source: readFileSync(join(folder, file), 'utf8') }));
}

/** The texts of the catalogue by key; of a plural, both forms. */
function textsOf(node: object, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(node) as [string, unknown][]) {
    const key = prefix + name;
    if (typeof value === 'string') found.set(key, value);
    else if (isPlural(value)) found.set(key, `${value.one} ${value.other}`);
    else for (const [below, words] of textsOf(value as object, `${key}.`)) found.set(below, words);
  }
  return found;
}

interface Use {
  file: string;
  key: string;
  values: string[];
}

/** Every `{{t "key" name=value}}` of a view, nested ones included. */
function usesIn(file: string, source: string): Use[] {
  const uses: Use[] = [];
  const visit = (node: any): void => {
    if (node === null || typeof node !== 'object') return;
    if (['MustacheStatement', 'SubExpression'].includes(node.type) && node.path.original === 't') {
      const values = (node.hash?.pairs ?? []).map((pair: { key: string }) => pair.key);
      uses.push({ file, key: node.params[0].value, values });
    }
    Object.values(node).forEach(visit);
  };
  visit(Handlebars.parse(source));
  return uses;
}

describe('the catalogue of texts', () => {
  const texts = textsOf(TEXTS);
  const uses = sources(join(UI, 'views'), '.hbs').flatMap(({ file, source }) => usesIn(file, source));

  it('has every text that a view uses, and the view gives it every value', () => {
    expect(uses.length).toBeGreaterThan(200);
    const wrong = uses.flatMap(({ file, key, values }) => {
      const words = texts.get(key);
      if (words === undefined) return [`${file}: no text "${key}"`];
      const wanted = [...words.matchAll(/\{(\w+)[,}]/g)].map(([, name]) => name ?? '');
      if (words.includes('<a>')) wanted.push('href');
      if (isPlural(key.split('.').reduce((node: any, name) => node[name], TEXTS))) wanted.push('count');
      const missing = wanted.filter((name) => !values.includes(name));
      return missing.map((name) => `${file}: "${key}" lacks ${name}`);
    });
    expect(wrong).toEqual([]);
  });

  it('has no text that neither a view nor a page uses', () => {
    const used = new Set(uses.map(({ key }) => key));
    const prefixes: string[] = [];
    for (const { file, source } of sources(UI, '.ts')) {
      if (file.endsWith('.spec.ts') || file.startsWith('texts')) continue;
      for (const [, key = ''] of source.matchAll(/'((?:\w+\.)+\w+)'/g)) used.add(key);
      for (const [, prefix = ''] of source.matchAll(/text\(`([\w.]+\.)\$\{/g)) prefixes.push(prefix);
    }
    // HtmlErrorPage looks these up by the code of the error.
    prefixes.push('errors.');
    // The catalogue itself names queues by these.
    prefixes.push('overview.queues.');
    const unused = [...texts.keys()].filter(
      (key) => !used.has(key) && !prefixes.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });

  it('chooses the form by the count, and formats numbers', () => {
    expect(text('counts.processed', { processed: 0, count: 1 })).toBe('0 of 1 record processed');
    expect(text('counts.processed', { processed: 3, count: 12_000 })).toBe('3 of 12,000 records processed');
    expect(text('import.relative', { id: 12_000 })).toBe('import 12000');
  });

  /** Break it: in `html`, leave out `escaped` of a value. */
  it('escapes values in pages, and marks links, code and times', () => {
    const markup = '<a>&{id}';
    expect(html('mail.aboutImport', { href: '/imports/1"', name: markup })).toBe(
      'About <a href="/imports/1&quot;"><bdi>&lt;a&gt;&amp;{id}</bdi></a>. ',
    );
    expect(html('user.lastSignedIn', { at: '2026-11-24T04:05:06Z' })).toBe(
      'last signed in <time datetime="2026-11-24T04:05:06Z" title="24 Nov 2026, 04:05:06 UTC">24 Nov 2026, 04:05:06 UTC</time>',
    );
  });

  it('refuses a key that it does not have', () => {
    expect(() => html('recent.nothing', {})).toThrow('no text "recent.nothing"');
  });
});
