import type { JsonObject } from '../../platform/json/json-value.js';
import type { ImportProcess } from '../../import-processes/import-process.js';
import { fileTypeForm, formOf, readFileType, schemaView } from './file-type-form.js';

const process = (recordSchema: JsonObject | null) =>
  ({
    name: 'Members',
    target: { kind: 'http', url: 'https://example.org' },
    recordSchema,
  }) as unknown as ImportProcess;

/** What a browser sends for the table of columns of a stored schema. */
function sent(recordSchema: JsonObject | null, edits: Record<string, string | undefined> = {}) {
  const { rows, before } = schemaView(formOf(process(recordSchema), new Set()), '/file-types/1', false);
  const fields = rows.flatMap(({ index, required, ...row }) => [
    ...(['before', 'name', 'type', 'values', 'minLength', 'maxLength', 'pattern'] as const).map(
      (member) => [`schema:${index}:${member}`, row[member]] as const,
    ),
    ...(required ? [[`schema:${index}:required`, 'yes'] as const] : []),
  ]);
  const target = '{"kind":"http","url":"https://example.org"}';
  const form = {
    name: 'Members',
    target,
    schemaBefore: before ?? '',
    ...Object.fromEntries(fields),
    ...edits,
  };
  return readFileType(
    fileTypeForm(Object.fromEntries(Object.entries(form).filter(([, value]) => value !== undefined))),
  );
}

const SCHEMA: JsonObject = {
  type: 'object',
  title: 'A member',
  properties: {
    Nr: { type: 'string', minLength: 2, maxLength: 9, pattern: '^M', description: 'Its number' },
    Level: { type: 'string', enum: ['Fellow', 'Associate'] },
    Hours: { type: 'number', minimum: 0 },
    Born: { type: 'string', format: 'date' },
  },
  required: ['Elsewhere', 'Nr', 'Born'],
  additionalProperties: false,
};

describe('the table of columns', () => {
  /** Break it: in `rulesOf`, leave out `others`; in `schemaWith`, leave out `ofOthers` or `rest`. */
  it.each([
    [SCHEMA],
    [null],
    [{ anyOf: [true] }],
    [{ type: 'object', properties: { a: { enum: [' x'] }, b: true } }],
  ])('keeps a schema that no one edits: %j', (schema) => {
    expect(sent(schema).recordSchema).toEqual(schema);
  });

  it('renames, changes, removes and adds columns', () => {
    const { recordSchema } = sent(SCHEMA, {
      ...{ 'schema:0:name': 'Number', 'schema:0:required': undefined, 'schema:0:pattern': '' },
      ...{ 'schema:1:values': 'Fellow\r\n Senior \r\n', 'schema:2:name': '' },
      ...{ 'schema:4:name': 'Joined', 'schema:4:type': 'integer', 'schema:4:required': 'yes' },
    });
    expect(recordSchema).toEqual({
      ...{ type: 'object', title: 'A member', additionalProperties: false },
      properties: {
        Number: { type: 'string', minLength: 2, maxLength: 9, description: 'Its number' },
        Level: { type: 'string', enum: ['Fellow', 'Senior'] },
        Born: { type: 'string', format: 'date' },
        Joined: { type: ['integer', 'string'], pattern: '^[+-]?[0-9]+$' },
      },
      required: ['Elsewhere', 'Born', 'Joined'],
    });
  });

  it('shows what it cannot edit as JSON', () => {
    const { rows } = schemaView(formOf(process(SCHEMA), new Set()), '/file-types/1', false);
    expect(rows.map(({ type }) => type)).toEqual(['text', 'text', 'other', 'date', 'any', 'any', 'any']);
    expect(rows[2]?.rules).toBe('{"type":"number","minimum":0}');
  });

  it.each([
    [{ 'schema:1:name': 'Nr' }, 'The column Nr stands twice in the table.'],
    [{ 'schema:0:minLength': 'two' }, 'The lengths of the column Nr must be whole numbers.'],
  ])('refuses %j', (edits, message) => {
    expect(() => sent(SCHEMA, edits)).toThrow(
      expect.objectContaining({
        options: expect.objectContaining({ errors: [expect.objectContaining({ message })] }),
      }),
    );
  });
});
