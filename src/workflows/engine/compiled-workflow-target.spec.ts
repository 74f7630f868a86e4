import { compileGrantRole, granting, parsed, refusal } from '../../../test/support/grant-role.js';
import { identifierKey } from '../rows/row-reader.js';

describe('a row of a workflow import', () => {
  it('says which action is performed with which values', () => {
    const row = parsed({
      ':UniqueId': 'M-1',
      'First Name': 'Ada',
      Born: '1815-12-10',
      Hours: '7.50',
      Level: null,
    });
    expect(row).toMatchObject({ line: 3, action: { id: 11, name: 'Grant', step: 'Import' } });
    expect(row.values).toEqual([
      { field: 'First Name', before: null, after: 'Ada' },
      { field: 'Born', before: null, after: '1815-12-10' },
      { field: 'Hours', before: null, after: 7.5 },
      { field: 'Level', before: null, after: null },
    ]);
  });

  it('clears what is empty and leaves what is absent', () => {
    expect(parsed({ 'First Name': 'Ada', Born: '', Hours: null }).values).toEqual([
      { field: 'First Name', before: null, after: 'Ada' },
      { field: 'Born', before: null, after: null },
      { field: 'Hours', before: null, after: null },
    ]);
  });

  it('keeps numbers that JSON.parse would change', () => {
    expect(parsed('{"First Name":"Ada","Hours":0.30000000000000001}').values).toContainEqual({
      ...{ field: 'Hours', before: null, after: '0.30000000000000001' },
    });
  });

  describe('is found by its identifiers', () => {
    it('in the order of the definition, case-folded where that says so, and as written', () => {
      const row = parsed({ 'First Name': 'Ada', ':Email': 'Ada@Example.org', ':UniqueId': 'M-A' });
      expect(row.identifiers).toEqual([
        {
          name: ':UniqueId',
          value: 'M-A',
          written: 'M-A',
          unique: true,
          key: identifierKey(':UniqueId', 'M-A'),
        },
        {
          name: ':Email',
          value: 'ada@example.org',
          written: 'Ada@Example.org',
          unique: true,
          key: identifierKey(':Email', 'ada@example.org'),
        },
      ]);
    });

    it('which are its ordering keys too', () => {
      const row = { ':Email': 'Ada@Example.org', ':UniqueId': 'M-A', 'First Name': 'Ada' };
      expect(granting.checkRow(row, JSON.stringify(row)).orderingKeys).toEqual([
        ':UniqueId\u0000M-A',
        ':Email\u0000ada@example.org',
      ]);
    });

    it('and depends on no other row if it has none', () => {
      const row = { 'First Name': 'Ada' };
      expect(granting.checkRow(row, JSON.stringify(row))).toEqual({ error: null, orderingKeys: [] });
    });

    it('exactly as a JSON number is written', () => {
      const row = parsed('{"First Name":"Ada",":UniqueId":12345678901234567890}');
      expect(row.identifiers[0]?.value).toBe('12345678901234567890');
    });

    it.each([null, '', ' ', '\t \u00a0'])('none of which may be there but blank: %j', (blank) => {
      expect(refusal({ 'First Name': 'Ada', ':UniqueId': blank })).toMatchObject({
        code: 'no_identifier',
        pointer: '/:UniqueId',
      });
    });

    it.each([
      [{ ':Email': 'ada' }, 'not_an_email'],
      [{ ':UniqueId': 'x'.repeat(401) }, 'too_long'],
      [{ ':UniqueId': { id: 1 } }, 'wrong_type'],
      [{ ':UniqueId': '\ud800' }, 'unstorable_text'],
    ])('which have rules of their own: %j', (identifier, code) => {
      expect(refusal({ 'First Name': 'Ada', ...identifier })).toMatchObject({ code });
    });
  });

  describe('is refused', () => {
    it.each([
      ['{"First Name":"Ada","Frist Name":"Ada"}', '/Frist Name', 'Did you mean "First Name"?'],
      ['{"First Name":"Ada","UniqueID":"1"}', '/UniqueID', 'Did you mean ":UniqueId"?'],
      [
        '{"First Name":"Ada","Reason":"x"}',
        '/Reason',
        'is neither an identifier nor an input of the action "Grant"',
      ],
      ['{"First Name":"Ada",":WorkflowAction":"x"}', '/:WorkflowAction', 'Did you mean ":WorkflowActionId"?'],
      ['{"First Name":"Ada","__proto__":{"x":1}}', '/__proto__', '"__proto__" is neither'],
      ['{"First Name":"Ada","constructor":1}', '/constructor', '"constructor" is neither'],
      ['{"First Name":"Ada","toString":null}', '/toString', '"toString" is neither'],
      ['{"First Name":"Ada","":1}', '/', '"" is neither'],
      ['{"First Name":"Ada","x/y~z":1}', '/x~1y~0z', '"x/y~z" is neither'],
    ])('for a column nobody asked for: %s', (line, pointer, message) => {
      expect(refusal(line)).toEqual({
        code: 'unknown_column',
        pointer,
        message: expect.stringContaining(message) as string,
      });
    });

    it.each(['a\u0000b', '\ud800', 'x'.repeat(100_000)])(
      'for a column whose name neither message nor pointer can hold',
      (name) => {
        const error = refusal({ 'First Name': 'Ada', [name]: 1 });
        expect(error).toMatchObject({ code: 'unknown_column' });
        expect(error).not.toHaveProperty('pointer');
        expect(error?.message).toMatch(/^[\x20-\x7e…]{1,200}$/);
      },
    );

    it.each([{}, { 'First Name': '' }, { 'First Name': null }])('for lack of a required value: %j', (row) => {
      expect(refusal({ Hours: 1, ...row })).toEqual({
        code: 'required',
        pointer: '/First Name',
        message: '"First Name" is required and must have a value: Text of at most 10 characters',
      });
    });

    it('with the column, the rule and what was found', () => {
      expect(refusal({ 'First Name': 'Ada', Born: '01/02/2026' })).toEqual({
        code: 'not_a_date',
        pointer: '/Born',
        message:
          '"Born" must be a calendar date written YYYY-MM-DD, for example 2026-01-31; found "01/02/2026"',
      });
      expect(refusal({ 'First Name': 'Ada', Level: 'Felow' })?.message).toBe(
        '"Level" must be one of "Associate", "Fellow"; found "Felow". Did you mean "Fellow"?',
      );
      expect(refusal('{"First Name":"Ada","Hours":-1e3000}')?.message).toBe(
        '"Hours" must not have more than 1000 digits before or after its point; found -1e3000',
      );
    });

    it('with at most a glimpse of a long value', () => {
      const error = refusal({ 'First Name': 'Ada', Born: '\u0000"'.repeat(100_000) });
      expect(error?.message).toContain('… (200000 characters)');
      expect(error?.message.length).toBeLessThan(700);
    });

    it('for nested values where one value is expected', () => {
      expect(refusal({ 'First Name': { first: 'Ada' } })).toMatchObject({
        code: 'wrong_type',
        pointer: '/First Name',
      });
      expect(refusal({ 'First Name': 'Ada', 'a/b~c': [] })).toMatchObject({
        code: 'wrong_type',
        pointer: '/a~1b~0c',
      });
    });
  });

  describe('may be narrowed by the schema of the import process', () => {
    const narrow = compileGrantRole(
      { action: 'Grant' },
      { required: ['Born'], properties: { Hours: { maximum: 10 } } },
    );

    it('which sees the row as it was sent', () => {
      expect(refusal({ 'First Name': 'Ada', Born: '', Hours: 10 }, narrow)).toBeNull();
      expect(refusal({ 'First Name': 'Ada', Hours: 1 }, narrow)).toEqual({
        code: 'record_schema',
        pointer: '/Born',
        message: '"/Born" is required',
      });
      expect(refusal({ 'First Name': 'Ada', Born: '', Hours: 11 }, narrow)).toMatchObject({
        pointer: '/Hours',
      });
    });

    it('which comes after the rules of the workflow', () => {
      expect(refusal({ Hours: 11 }, narrow)).toMatchObject({ code: 'required', pointer: '/First Name' });
    });
  });
});

describe('a configuration that does not fit its workflow', () => {
  it.each([
    [{ step: 'Nowhere' }, 'has no step "Nowhere"'],
    [{ action: 'Apply' }, 'has no action "Apply"'],
  ])('%j is not compiled', (configuration, message) => {
    expect(() => compileGrantRole(configuration)).toThrow(message);
  });
});
