import { outcomesOf, WorkflowFixture } from '../support/workflow-fixture.js';

describe('records of a workflow import', () => {
  let fixture: WorkflowFixture;

  beforeAll(async () => {
    fixture = await WorkflowFixture.start();
  });
  beforeEach(() => fixture.clear());
  afterAll(() => fixture.stop());

  it('create instances with their identifiers, and one log entry each', async () => {
    const outcomes = await fixture.process(
      [
        { ':UniqueId': 'M-1', ':Email': 'Ada@Example.org', Name: 'Ada', Hours: 1.5, Areas: 'A;C' },
        { Name: 'Nobody' },
      ],
      { batchId: 17, firstLine: 41, configuration: { action: 'Succeed' } },
    );
    expect(outcomesOf(outcomes)).toEqual(['41 created 1', '42 created 2']);
    expect(await fixture.instances()).toEqual([
      {
        id: 1,
        status: 'completed_successfully',
        step: 'Application',
        attributes: {
          ':UniqueId': 'M-1',
          ':Email': 'Ada@Example.org',
          Name: 'Ada',
          Hours: 1.5,
          Areas: ['A', 'C'],
        },
      },
      { id: 2, status: 'completed_successfully', step: 'Application', attributes: { Name: 'Nobody' } },
    ]);
    expect(await fixture.identifiers()).toEqual([':Email ada@example.org 1', ':UniqueId M-1 1']);
    expect(await fixture.log()).toEqual([
      {
        id: 1,
        batch: 17,
        line: 41,
        action: 'Succeed',
        actor: 'api-key:1',
        changes: {
          ':UniqueId': [null, 'M-1'],
          ':Email': [null, 'Ada@Example.org'],
          Name: [null, 'Ada'],
          Hours: [null, 1.5],
          Areas: [null, ['A', 'C']],
          ':WorkflowStatus': [null, 'completed_successfully'],
          ':WorkflowStep': [null, 'Application'],
        },
      },
      expect.objectContaining({ id: 2, line: 42 }),
    ]);
  });

  it('update what they find: absent leaves, null clears, and the log shows before and after', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'Ada', Hours: 1, Areas: ['A'] }]);
    const outcomes = await fixture.process([{ ':UniqueId': 'M-1', Hours: null, Areas: ['A', 'B'] }], {
      batchId: 2,
    });
    expect(outcomesOf(outcomes)).toEqual(['1 updated 1']);
    expect(await fixture.instances()).toMatchObject([
      { attributes: { ':UniqueId': 'M-1', Name: 'Ada', Areas: ['A', 'B'] } },
    ]);
    expect((await fixture.instances())[0]!.attributes).not.toHaveProperty('Hours');
    expect((await fixture.log()).slice(1)).toEqual([
      {
        id: 1,
        batch: 2,
        line: 1,
        action: 'Save',
        actor: 'api-key:1',
        changes: { Hours: [1, null], Areas: [['A'], ['A', 'B']] },
      },
    ]);
  });

  it('write nothing if nothing would change', async () => {
    const row = { ':UniqueId': 'M-1', ':Email': 'ada@example.org', Name: 'Ada', Hours: '1.50', Areas: ['A'] };
    await fixture.process([row]);
    const before = await fixture.database.query('SELECT *, xmin FROM workflow_instance');
    expect(outcomesOf(await fixture.process([row, { ...row, ':Email': 'ADA@example.org' }]))).toEqual([
      '1 unchanged 1',
      '2 unchanged 1',
    ]);
    expect(await fixture.database.query('SELECT *, xmin FROM workflow_instance')).toEqual(before);
    expect(await fixture.log()).toHaveLength(1);
  });

  it.each([
    ['reject' as const, '1 rejected already_exists 1'],
    ['skip' as const, '1 skipped 1'],
  ])('that find an instance %s it where the import process says so', async (onMatch, expected) => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'Ada' }]);
    const outcomes = await fixture.process([{ ':UniqueId': 'M-1', Name: 'Eve' }, { ':UniqueId': 'M-2' }], {
      configuration: { onMatch },
    });
    expect(outcomesOf(outcomes)).toEqual([expected, '2 created 2']);
    expect((await fixture.instances())[0]!.attributes).toEqual({ ':UniqueId': 'M-1', Name: 'Ada' });
    expect(await fixture.log()).toHaveLength(2);
  });

  it('that find nothing are rejected if nothing may be created', async () => {
    const outcomes = await fixture.process([{ ':UniqueId': 'M-1' }], {
      configuration: { onNoMatch: 'reject' },
    });
    expect(outcomes).toEqual([
      {
        line: 1,
        status: 'failed',
        operation: 'rejected',
        reference: null,
        error: {
          code: 'no_match',
          message: 'nothing has :UniqueId "M-1", and this import process creates nothing',
        },
      },
    ]);
    expect(await fixture.instances()).toEqual([]);
  });

  it('whose identifiers belong to different instances are rejected, and the others of the chunk are not', async () => {
    await fixture.process([
      { ':UniqueId': 'M-1', ':Email': 'ada@example.org' },
      { ':UniqueId': 'M-2', ':Email': 'bob@example.org' },
    ]);
    const outcomes = await fixture.process([
      { ':UniqueId': 'M-1', Name: 'Ada' },
      { ':UniqueId': 'M-1', ':Email': 'bob@example.org', Name: 'Eve' },
      { ':UniqueId': 'M-2', Name: 'Bob' },
    ]);
    expect(outcomesOf(outcomes)).toEqual(['1 updated 1', '2 rejected ambiguous_match', '3 updated 2']);
    expect((await fixture.instances()).map(({ attributes }) => attributes.Name)).toEqual(['Ada', 'Bob']);
  });

  it('give an instance the identifier it lacked, and replace the one it had', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'Ada' }]);
    await fixture.process([{ ':UniqueId': 'M-1', ':Email': 'Ada@example.org' }]);
    await fixture.process([{ ':UniqueId': 'M-1', ':Email': 'lovelace@example.org' }]);
    expect(await fixture.identifiers()).toEqual([':Email lovelace@example.org 1', ':UniqueId M-1 1']);
    expect((await fixture.log()).slice(1).map(({ changes }) => changes)).toEqual([
      { ':Email': [null, 'Ada@example.org'] },
      { ':Email': ['Ada@example.org', 'lovelace@example.org'] },
    ]);
    expect(outcomesOf(await fixture.process([{ ':Email': 'ada@example.org' }]))).toEqual(['1 created 2']);
  });

  it('let a value change hands within a chunk', async () => {
    await fixture.process([
      { ':UniqueId': 'M-1', ':Email': 'a@example.org' },
      { ':UniqueId': 'M-2', ':Email': 'b@example.org' },
    ]);
    const outcomes = await fixture.process([
      { ':UniqueId': 'M-1', ':Email': 'c@example.org' },
      { ':UniqueId': 'M-2', ':Email': 'a@example.org' },
      { ':UniqueId': 'M-1', ':Email': 'b@example.org' },
      { ':Email': 'c@example.org' },
    ]);
    expect(outcomesOf(outcomes)).toEqual(['1 updated 1', '2 updated 2', '3 updated 1', '4 created 3']);
    expect(await fixture.identifiers()).toEqual([
      ':Email a@example.org 2',
      ':Email b@example.org 1',
      ':Email c@example.org 3',
      ':UniqueId M-1 1',
      ':UniqueId M-2 2',
    ]);
  });

  it('of one chunk about one thing are applied in line order, with a log entry for each', async () => {
    const outcomes = await fixture.process([
      { ':UniqueId': 'M-1', Name: 'A', Hours: 1 },
      { ':UniqueId': 'M-2', Name: 'X' },
      { ':UniqueId': 'M-1', Name: 'B' },
      { ':UniqueId': 'M-1', Name: 'B' },
      { ':UniqueId': 'M-1', Name: 'C', Hours: null },
    ]);
    expect(outcomesOf(outcomes)).toEqual([
      '1 created 1',
      '2 created 2',
      '3 updated 1',
      '4 unchanged 1',
      '5 updated 1',
    ]);
    expect((await fixture.instances())[0]!.attributes).toEqual({ ':UniqueId': 'M-1', Name: 'C' });
    const ofFirst = (await fixture.log()).filter(({ id }) => id === 1);
    expect(ofFirst.map(({ line, changes }) => [line, changes.Name])).toEqual([
      [1, [null, 'A']],
      [3, ['A', 'B']],
      [5, ['B', 'C']],
    ]);
  });

  it('whose values are special to PostgreSQL or JavaScript are read back unchanged', async () => {
    const name = 'tab\t line\n return\r back\\slash \\N quote" \' {a,b} \u2028 😀';
    const row = JSON.parse('{"constructor": "polluted?"}') as Record<string, string>;
    row[':UniqueId'] = '{"a\\b",\tNULL}';
    row.Name = name;
    expect(outcomesOf(await fixture.process([row]))).toEqual(['1 created 1']);
    expect(outcomesOf(await fixture.process([row]))).toEqual(['1 unchanged 1']);
    row.Name = `${name}!`;
    expect(outcomesOf(await fixture.process([row]))).toEqual(['1 updated 1']);
    const [instance] = await fixture.instances();
    expect(Object.entries(instance!.attributes).sort()).toEqual(Object.entries(row).sort());
  });

  it('that cannot be read in the second pass fail alone, with the reason', async () => {
    const outcomes = await fixture.process([{ ':UniqueId': 'M-1', Hours: 'many' }, { ':UniqueId': 'M-2' }]);
    expect(outcomesOf(outcomes)).toEqual(['1 rejected not_a_number', '2 created 1']);
  });

  it('report the other identifiers of the instances they found, in normalized form', async () => {
    await fixture.process([
      { ':UniqueId': 'M-1', ':Email': 'Ada@Example.org', ':Team': 'T' },
      { ':UniqueId': 'M-2' },
      { ':UniqueId': 'M-3', ':Email': 'eve@example.org' },
    ]);
    const outcomesOf: string[][] = [];
    await fixture.process(
      [
        { ':UniqueId': 'M-1', Name: 'A' },
        { ':UniqueId': 'M-2' },
        { ':UniqueId': 'M-3', ':Email': 'EVE@example.org' },
        { ':UniqueId': 'M-4' },
      ],
      { keepOrder: (orderingKeys) => void outcomesOf.push([...orderingKeys]) },
    );
    expect(outcomesOf).toEqual([[':Email\u0000ada@example.org', ':Team\u0000T']]);
  });

  it('write nothing if an earlier chunk goes first', async () => {
    await fixture.process([{ ':UniqueId': 'M-1', Name: 'A' }]);
    const late = fixture.process([{ ':UniqueId': 'M-1', Name: 'B' }, { ':UniqueId': 'M-2' }], {
      keepOrder: () => {
        throw new Error('not yet');
      },
    });
    await expect(late).rejects.toThrow('not yet');
    expect(await fixture.log()).toHaveLength(1);
  });

  it('share a value that is not unique, until it finds several and becomes ambiguous', async () => {
    expect(
      outcomesOf(
        await fixture.process([
          { ':Team': 'T', Name: 'A' },
          { ':Team': 'T', Name: 'B' },
        ]),
      ),
    ).toEqual(['1 created 1', '2 updated 1']);
    await fixture.process([{ ':UniqueId': 'M-2' }]);
    await fixture.database.query(
      `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
       VALUES (1, ':Team', 'T', 2, 2)`,
    );
    await fixture.database.query(
      `UPDATE workflow_instance SET attributes = attributes || '{":Team": "T"}' WHERE workflow_instance_id = 2`,
    );
    expect(outcomesOf(await fixture.process([{ ':Team': 'T', Name: 'C' }]))).toEqual([
      '1 rejected ambiguous_match',
    ]);
  });

  /**
   * Values of old databases can be those of several instances although the index keeps them unique.
   * Break it: in `LookUp.settleKnown`, note no identifier as known.
   */
  it.each([1, 150])(
    'find by the first identifier if the instance has the others, as one of %i rows',
    async (count) => {
      const row = { ':UniqueId': 'M-1', ':Email': 'ada@example.org' };
      await fixture.process([row, { ':UniqueId': 'M-2' }]);
      await fixture.database.query(
        `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
         VALUES (1, ':Email', 'ada@example.org', 2, 2)`,
      );
      await fixture.database.query(
        `UPDATE workflow_instance SET attributes = attributes || '{":Email": " ada@example.org"}'
          WHERE workflow_instance_id = 2`,
      );
      const others = Array.from({ length: count - 1 }, (_, n) => ({ ':UniqueId': `N-${n}` }));
      const outcomes = await fixture.process([row, ...others]);
      expect(outcomesOf(outcomes.slice(0, 1))).toEqual(['1 unchanged 1']);
      const byEmail = await fixture.process([{ ':Email': 'ada@example.org' }, ...others]);
      expect(outcomesOf(byEmail.slice(0, 1))).toEqual(['1 rejected ambiguous_match']);
    },
  );
});
