import { cellText } from '../../formats/json/json-members.js';
import { changedRow, filledIn, rowOf } from './row-form.js';

describe('the form of a row', () => {
  it('separates columns from other fields, and joins selected options', () => {
    const values = filledIn({
      'column:Name': 'Ann',
      'column:Areas': ['A', 'B'],
      other: 'x',
      'column:Born': '',
    });
    expect(rowOf(values)).toBe('{"Name":"Ann","Areas":"A;B"}');
  });

  const known = new Set(['Name', 'Hours']);
  const changed = (payload: string, changes: Record<string, string>) =>
    changedRow(payload, new Map(Object.entries(changes)), cellText, known);

  it('changes only the changed cells, and keeps the others to the last digit', () => {
    const payload = '{"Name":"Ann","Hours":12345678901234567890.10,"Extra":[1, 2]}';
    expect(changed(payload, { Name: 'Bo', Hours: '12345678901234567890.10', Extra: '[1, 2]' })).toBe(
      '{"Name":"Bo","Hours":12345678901234567890.10,"Extra":[1, 2]}',
    );
  });

  /** Break it: in `changedRow`, compare the texts as they are. */
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
});
