import { corpus } from '../../../test/support/corpora.js';
import { type FileProposal, proposedMapping, proposedWorkflow, proposeFor } from './file-proposal.js';
import { surveyFile } from './file-survey.js';

const OPTIONS = { maxLineBytes: 1024 ** 2, headerRow: null, sheet: null };

const bytesOf = (bytes: Buffer) => ({
  size: bytes.length,
  pieces: async function* () {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  },
  range: (start: number, end: number) => Promise.resolve(bytes.subarray(start, end)),
});
const survey = (content: string | Buffer) => surveyFile(bytesOf(Buffer.from(content)), OPTIONS);
const proposal = async (fileName: string, content: string | Buffer) =>
  proposeFor(fileName, await survey(content));
const types = ({ fields }: FileProposal) => Object.fromEntries(fields.map(({ name, type }) => [name, type]));
const identifiers = ({ fields }: FileProposal) =>
  fields.filter(({ identifier }) => identifier).map(({ name }) => name);

/** A member list as a German office exports it, with a duplicate person and wrong values. */
const MEMBERS = Buffer.from(
  [
    'Mitgliederliste, Stand 31.12.2025;;;;;;',
    '',
    'Mitglied-Nr.;E-Mail;Vorname;Level;Geb.-Datum;Stunden;Aktiv ',
    ...Array.from(
      { length: 30 },
      (_, n) =>
        `M-${1000 + n};person${n}@example.org ;Zo\xeb;${n % 2 === 0 ? 'Fellow' : 'associate '};${10 + (n % 20)}.11.1953;${n},5;yes`,
    ),
    'M-1001;person1@example.org;Jos\xe9;Associate;31.02.1980;4,0;no',
    ';;;;;;',
  ].join('\r\n'),
  'latin1',
);

describe('the proposal for a file', () => {
  it('is read from a semicolon file in Windows-1252 below a title, with duplicates and wrong values', async () => {
    const found = await survey(MEMBERS);
    expect(found).toMatchObject({
      format: 'csv',
      encoding: 'windows-1252',
      delimiter: ';',
      headerRow: 3,
      isHeaderDoubtful: false,
      rows: 31,
    });
    const proposed = proposeFor('hr_mitglieder-2025.csv', found);
    expect(proposed.name).toBe('Hr mitglieder 2025');
    expect(types(proposed)).toEqual({
      'Mitglied-Nr.': 'ShortText',
      'E-Mail': 'Email',
      Vorname: 'PickList',
      Level: 'PickList',
      'Geb.-Datum': 'Date',
      Stunden: 'Numeric',
      Aktiv: 'Boolean',
    });
    expect(identifiers(proposed)).toEqual(['Mitglied-Nr.']);
    expect(proposed.fields.find(({ name }) => name === 'Level')?.options).toEqual(['associate', 'Fellow']);
  });

  it('makes a workflow whose identifiers are marked, and a mapping from the headers', async () => {
    const proposed = await proposal('a.csv', 'id,E-mail,Name,\n1,a@example.org,Ann,\n2,b@example.org,Bo,\n');
    expect(proposedWorkflow(proposed.name, proposed.fields)).toMatchObject({
      name: 'a',
      identifiers: [{ name: ':id', unique: true }],
      attributes: [
        { name: 'E-mail', type: 'Email' },
        { name: 'Name', type: 'ShortText' },
      ],
    });
    expect(proposedMapping(proposed.fields)).toEqual({
      id: ':id',
      'E-mail': 'E-mail',
      Name: 'Name',
      '(column 4)': null,
    });
  });

  it.each([
    ['data/oulad-assessments.csv', ['id_assessment'], { assessment_type: 'PickList', weight: 'Numeric' }],
    ['data/accounts.jsonl', ['account_number'], { email: 'Email', balance: 'Numeric', gender: 'PickList' }],
    ['data/marvel-characters.csv.gz', ['page_id'], { ALIGN: 'PickList', Year: 'Numeric', name: 'ShortText' }],
    ['data/orders.jsonl.gz', ['o_orderkey'], { o_orderdate: 'DateTime', o_orderstatus: 'PickList' }],
    ['data/world-cities.csv.gz', ['geonameid'], { country: 'ShortText' }],
  ])('finds the identifier and the types of %s', async (path, identifier, expected) => {
    const proposed = await proposal(path, corpus(path));
    expect(identifiers(proposed)).toEqual(identifier);
    expect(types(proposed)).toMatchObject(expected);
  });

  it('takes nothing for a number, a date or an identifier that only looks like one', async () => {
    const rows = Array.from({ length: 12 }, (_, n) => `0123${n},${n}.1.99,A,12345678901234567${n}`);
    const proposed = await proposal('x.csv', ['zip,born,kind,long', ...rows].join('\n'));
    expect(types(proposed)).toEqual({
      zip: 'ShortText',
      born: 'ShortText',
      kind: 'ShortText',
      long: 'ShortText',
    });
    expect(identifiers(proposed)).toEqual(['born']);
  });

  it('does not import nested values and columns without any value', async () => {
    const proposed = await proposal(
      'x.jsonl',
      '{"id":1,"a":{"b":1},"c":null,"tags":["x"]}\n{"id":2,"tags":["y"]}\n',
    );
    expect(proposed.fields.filter(({ imported }) => !imported).map(({ name }) => name)).toEqual(['a', 'c']);
  });

  it('gives each field a name that a workflow accepts', async () => {
    const proposed = await proposal('x.csv', '=Sum,_line2,now,:Email,"a\nb",A{b}\n1,2,3,d,5,6\n');
    expect(proposed.fields.map(({ name }) => name)).toEqual([
      'Sum',
      'line2',
      'Field now',
      'Email',
      'a b',
      'Ab',
    ]);
  });

  it('says when the header may be a record, and takes another row if told so', async () => {
    const rows = '1,Ann,2020-01-01\n2,Bo,2020-01-02\n3,Cy,2020-01-03\n';
    expect(await survey(rows)).toMatchObject({ headerRow: 1, isHeaderDoubtful: true, rows: 2 });
    const chosen = await surveyFile(bytesOf(Buffer.from(rows)), { ...OPTIONS, headerRow: 2 });
    expect(chosen).toMatchObject({ headerRow: 2, isHeaderDoubtful: false, rows: 1 });
  });

  it.each([
    ['', 'empty_body'],
    ['a,b\n', 'empty_body'],
    ['a,a\n1,2\n', 'duplicate_columns'],
    ['{"a":1}\nx\n', 'malformed_json_lines'],
  ])('is refused for %j', async (content, code) => {
    await expect(survey(content)).rejects.toMatchObject({ code });
  });
});
