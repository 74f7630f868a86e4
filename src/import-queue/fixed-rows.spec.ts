import { fixedRow, rowWith } from './fix.service.js';

describe('a failed row that is fixed', () => {
  const known = new Map<string, { literal?: true; nullable?: true }>([
    ['Left', { literal: true, nullable: true }],
    ['Name', {}],
    ['Hours', {}],
    ['Age', { literal: true }],
  ]);
  const changed = (payload: string, changes: Record<string, string>) =>
    fixedRow(payload, { replacements: [], cells: new Map(Object.entries(changes)) }, known);

  it('changes only the changed cells, and keeps the others to the last digit', () => {
    const payload = '{"Name":"Ann","Hours":12345678901234567890.10,"Extra":[1, 2]}';
    expect(changed(payload, { Name: 'Bo', Hours: '12345678901234567890.10', Extra: '[1, 2]' })).toBe(
      '{"Name":"Bo","Hours":12345678901234567890.10,"Extra":[1, 2]}',
    );
  });

  /** Break it: in `isSameText`, compare the texts as they are. */
  it.each(['1 High St\nSpringfield', 'a\r\nb', 'a\rb\nc', '\nleading', 'trailing\n', 'a\n\n\r\nb'])(
    'leaves line breaks that no one edited as they were sent: %j',
    (notes) => {
      const payload = JSON.stringify({ Name: 'Ann', Notes: notes });
      const asBrowsersSend = notes.replace(/\r\n|\r|\n/g, '\r\n');
      expect(changed(payload, { Name: 'Bo', Notes: asBrowsersSend })).toBe(
        JSON.stringify({ Name: 'Bo', Notes: notes }),
      );
    },
  );

  /** Break it: in `cellJson`, never answer the text itself. */
  it('writes numbers and truth values as such where the column holds them', () => {
    expect(changed('{"Name":"a","Age":"x"}', { Name: '1', Age: '36.50' })).toBe('{"Name":"1","Age":36.50}');
    expect(changed('{"Age":1}', { Age: '05' })).toBe('{"Age":"05"}');
    expect(changed('{"Name":"a","Age":1,"Left":1}', { Name: 'null', Age: 'null', Left: 'null' })).toBe(
      '{"Name":"null","Age":"null","Left":null}',
    );
  });

  it('gives an edited text its own line breaks', () => {
    expect(changed('{"Name":"a\\nb"}', { Name: 'a\r\nc' })).toBe('{"Name":"a\\nc"}');
    expect(changed('{"Name":"a\\r\\nb"}', { Name: 'a\r\nc' })).toBe('{"Name":"a\\r\\nc"}');
  });

  it('keeps a row in which nothing was edited byte for byte', () => {
    const payload = '{ "Name" : "Ann", "Name": "Bo" }';
    expect(changed(payload, { Name: 'Bo' })).toBe(payload);
  });

  it('clears a known column, and removes an unknown one', () => {
    expect(changed('{"Name":"Ann","Nmae":"x"}', { Name: '', Nmae: '', Hours: '' })).toBe('{"Name":null}');
  });

  it('replaces a value wherever a row has it, an absent one like an empty one, before its own cells', () => {
    const replacements = [
      { field: 'Name', from: 'Ann', to: 'Bo' },
      { field: 'Hours', from: '', to: '4' },
    ];
    const replaced = (payload: string, cells: Record<string, string> = {}) =>
      fixedRow(payload, { replacements, cells: new Map(Object.entries(cells)) }, known);
    expect(replaced('{"Name":"Ann"}')).toBe('{"Name":"Bo","Hours":"4"}');
    expect(replaced('{"Name":"Ada","Hours":1.50}')).toBe('{"Name":"Ada","Hours":1.50}');
    expect(replaced('{"Name":"Ann","Hours":2}', { Name: 'Cy' })).toBe('{"Name":"Cy","Hours":2}');
  });

  it('takes the JSON of new values as it is written', () => {
    expect(rowWith('{"Name":"Ann","Hours":1.10}', new Map([['Name', '12345678901234567890.10']]))).toBe(
      '{"Name":12345678901234567890.10,"Hours":1.10}',
    );
  });
});
