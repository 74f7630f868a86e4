import { escapeHtml, Template, valueText } from './template.js';

describe('a template', () => {
  it.each([
    ['Dear {{First Name}}, …', 'Dear <First Name>, …'],
    ['{{ First Name }}{{:Email}}', '<First Name><:Email>'],
    ['no placeholder', 'no placeholder'],
    ['', ''],
    ['{ {a} } {b}', '{ {a} } {b}'],
  ])('%j reads %j', (text, expected) => {
    expect(Template.parse(text).render((name) => `<${name}>`)).toBe(expected);
  });

  it('never looks for placeholders in values', () => {
    expect(Template.parse('{{a}}{{b}}').render((name) => (name === 'a' ? '{{b}}' : 'B'))).toBe('{{b}}B');
  });

  it.each(['{{a}', 'a}}', '{{a{{b}}', '{{a}}}}'])('%j is malformed', (text) => {
    expect(Template.parse(text).isMalformed).toBe(true);
  });

  it.each([
    ['{{a}}', 'a'],
    [' {{a}}', null],
    ['{{a}}{{b}}', null],
    ['a', null],
  ])('%j has the sole name %j', (text, name) => {
    expect(Template.parse(text).soleName).toBe(name);
  });
});

it.each([
  [undefined, ''],
  [null, ''],
  ['text', 'text'],
  [0.5, '0.5'],
  [-1.5e-7, '-0.00000015'],
  [1e21, '1000000000000000000000'],
  [false, 'false'],
  [['A', 'B'], 'A, B'],
])('the value %j reads %j', (value, text) => {
  expect(valueText(value)).toBe(text);
});

it('HTML has no character left that could begin an element, end an attribute or name an entity', () => {
  expect(escapeHtml(`<a href='x' title="y">&amp;`)).toBe(
    '&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;',
  );
});
