import { pickListType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parseIn = (raw: string, options: string[]) =>
  pickListType('Level', options).parse((JSON.parse(raw) as { Level: string }).Level, new RowSource(raw));
const parse = (value: unknown, options = ['Associate', 'Fellow']) =>
  parseIn(JSON.stringify({ Level: value }), options);

describe('a PickList value', () => {
  it('is one of the options', () => {
    expect(parse('Fellow')).toBe('Fellow');
  });

  it.each(['fellow', 'Felow', 'FELLOW ', ' Fellow'])(
    '%j is refused, with the option that was meant',
    (text) => {
      expect(parse(text)).toMatchObject({
        code: 'not_an_option',
        rule: expect.stringContaining('must be one of "Associate", "Fellow"') as string,
        hint: ' Did you mean "Fellow"?',
      });
    },
  );

  it('nobody can have meant gets no hint', () => {
    expect(parse('Zzzzzzz')).toMatchObject({ code: 'not_an_option', hint: '' });
  });

  it.each(['toString', 'constructor', '__proto__'])('%s is no option', (text) => {
    expect(parse(text)).toMatchObject({ code: 'not_an_option' });
  });

  it('may be sent as a JSON number if it is written like the option', () => {
    expect(parseIn('{"Level":1}', ['1', '2.0'])).toBe('1');
    expect(parseIn('{"Level":2.0}', ['1', '2.0'])).toBe('2.0');
    expect(parseIn('{"Level":1.0}', ['1', '2.0'])).toMatchObject({ code: 'not_an_option' });
  });

  it('names only the first of many options', () => {
    const options = Array.from({ length: 200 }, (_, index) => `Option ${index}`);
    expect(parse('x', options)).toMatchObject({ rule: expect.stringContaining('(200 options)') as string });
  });
});
