import { cellText } from '../../formats/json/json-members.js';
import { changedRow, filledIn, rowOf } from './row-form.js';

describe('the form of a row', () => {
  it('has its columns apart from its other fields, and ticked options together', () => {
    const values = filledIn({
      'column:Name': 'Ann',
      'column:Areas': ['A', 'B'],
      other: 'x',
      'column:Born': '',
    });
    expect(rowOf(values)).toBe('{"Name":"Ann","Areas":"A;B"}');
  });

  const known = new Set(['Name', 'Hours']);
  const mend = (payload: string, changes: Record<string, string>) =>
    changedRow(payload, new Map(Object.entries(changes)), cellText, known);

  it('changes what was changed, and nothing else to the last digit', () => {
    const payload = '{"Name":"Ann","Hours":12345678901234567890.10,"Extra":[1, 2]}';
    expect(mend(payload, { Name: 'Bo', Hours: '12345678901234567890.10', Extra: '[1, 2]' })).toBe(
      '{"Name":"Bo","Hours":12345678901234567890.10,"Extra":[1, 2]}',
    );
  });

  /** Break it: in `changedRow`, compare the texts as they are. */
  it.each(['1 High St\nSpringfield', 'a\r\nb', 'a\rb\nc', '\nleading', 'trailing\n', 'a\n\n\r\nb'])(
    'leaves line breaks that no one edited as they were sent: %j',
    (notes) => {
      const payload = JSON.stringify({ Name: 'Ann', Notes: notes });
      const asBrowsersSend = notes.replace(/\r\n|\r|\n/g, '\r\n');
      expect(mend(payload, { Name: 'Bo', Notes: asBrowsersSend })).toBe(
        JSON.stringify({ Name: 'Bo', Notes: notes }),
      );
    },
  );

  it('gives an edited text the line breaks it had', () => {
    expect(mend('{"Name":"a\\nb"}', { Name: 'a\r\nc' })).toBe('{"Name":"a\\nc"}');
    expect(mend('{"Name":"a\\r\\nb"}', { Name: 'a\r\nc' })).toBe('{"Name":"a\\r\\nc"}');
  });

  it('keeps a row in which nothing was edited byte for byte', () => {
    const payload = '{ "Name" : "Ann", "Name": "Bo" }';
    expect(mend(payload, { Name: 'Bo' })).toBe(payload);
  });

  it('clears a column that rows have, and leaves out one that they have not', () => {
    expect(mend('{"Name":"Ann","Nmae":"x"}', { Name: '', Nmae: '', Hours: '' })).toBe('{"Name":null}');
  });
});
