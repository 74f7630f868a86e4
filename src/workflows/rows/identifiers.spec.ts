import { parsed, refusal } from '../../../test/support/grant-role.js';
import { trimEnds } from '../../records/rows.js';

const valueOf = (name: string, written: string) => {
  const [identifier] = parsed({ [name]: written, 'First Name': 'Ada' }).identifiers;
  return [identifier?.written, identifier?.value];
};

describe('an identifier', () => {
  it.each([
    ['a space behind', 'M-1 ', 'M-1'],
    ['a no-break space before', '\u00a0M-1', 'M-1'],
    ['zero width characters', '\u200b\u2060M-1\ufeff\u00ad', 'M-1'],
    ['line ends', '\r\nM-1\n', 'M-1'],
    ['spaces within', ' M 1 ', 'M 1'],
    ['a zero width joiner within', 'M\u200d1', 'M\u200d1'],
  ])('is compared and kept without invisible ends: %s', (_, written, kept) => {
    expect(valueOf(':UniqueId', written)).toEqual([kept, kept]);
  });

  it('is compared in NFC and kept as it was written', () => {
    expect(valueOf(':UniqueId', 'Rene\u0301')).toEqual(['Rene\u0301', 'Ren\u00e9']);
    expect(valueOf(':Team', 'E\u0301quipe ')).toEqual(['E\u0301quipe', '\u00e9quipe']);
  });

  it('may be an address with white space around it', () => {
    expect(valueOf(':Email', ' Ada@example.org ')).toEqual(['Ada@example.org', 'ada@example.org']);
  });

  it.each(['', ' ', '\u200b', '\u00ad\u2060'])('has no value where nothing is visible: %j', (written) => {
    expect(refusal({ ':UniqueId': written, 'First Name': 'Ada' })?.code).toBe('no_identifier');
  });

  it.each(['#N/A', '#ref!', ' #DIV/0! ', '#NAME?'])('is never the error %j of a spreadsheet', (written) => {
    expect(refusal({ ':UniqueId': written, 'First Name': 'Ada' })).toMatchObject({
      code: 'spreadsheet_error',
      pointer: '/:UniqueId',
    });
  });

  it.each(['#1', '#N/A-7', 'N/A'])('may look like one: %j', (written) => {
    expect(valueOf(':UniqueId', written)).toEqual([written, written]);
  });
});

describe('trimEnds', () => {
  it('removes exactly white space and the invisible characters', () => {
    const removed: string[] = [];
    for (let code = 0; code <= 0xffff; code += 1) {
      const character = String.fromCharCode(code);
      if (trimEnds(character) === '') removed.push(code.toString(16));
    }
    expect(removed.join(' ')).toBe(
      '9 a b c d 20 85 a0 ad 1680 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 200a 200b 200c 200d 2028 2029 202f 205f 2060 3000 feff',
    );
  });
});
