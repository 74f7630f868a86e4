import type { JsonObject } from '../src/platform/json/json-value.js';
import type { WorkflowDefinition } from '../src/workflows/definition.js';
import { compileWorkflowTarget } from '../src/workflows/engine/row-application.js';

/**
 * What pass 1 costs per row, compared with JSON.parse of the same line:
 *   node --import @swc-node/register/esm-register bench/row-check.ts [rows] [rounds]
 */

const ROWS = Number(process.argv[2] ?? 200_000);
const ROUNDS = Number(process.argv[3] ?? 7);

const definition: WorkflowDefinition = {
  name: 'grant-role',
  title: 'Grant Role',
  entityType: 'MemberRole',
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'First Name', type: 'ShortText', maxLength: 100 },
    { name: 'Last Name', type: 'ShortText', maxLength: 100 },
    { name: 'Date Of Birth', type: 'Date' },
    { name: 'Hours', type: 'Numeric', minimum: 0 },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
    { name: 'Note', type: 'LongText' },
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [
        {
          id: 11,
          name: 'Grant',
          inputs: ['First Name', 'Last Name', 'Date Of Birth', 'Hours', 'Level', 'Note'],
          required: ['First Name'],
          primary: { kind: 'completeSuccessfully' },
        },
      ],
    },
  ],
};

const compiled = compileWorkflowTarget({
  identifierNeeded: 'if stated',
  workflowId: 1,
  definition,
  configuration: {
    kind: 'workflow',
    workflow: 'grant-role',
    step: 'Import',
    onNoMatch: 'create',
    onMatch: 'update',
  },
  recordSchema: null,
});

const variants: Record<string, (index: number) => JsonObject> = {
  '7 columns, all texts (from CSV)': (index) => ({ ...row(index), Hours: String(index % 500) }),
  '7 columns, a JSON number': (index) => ({ ...row(index), Hours: index % 500 }),
  '7 columns, a JSON number with a fraction': (index) => ({ ...row(index), Hours: (index % 500) + 0.25 }),
  '7 columns, a numeric identifier': (index) => ({ ...row(index), ':UniqueId': index }),
  '8 columns, a note of 100 characters': (index) => ({ ...row(index), Note: 'lorem ipsum '.repeat(9) }),
};

function row(index: number): JsonObject {
  return {
    ':UniqueId': `M-${String(index).padStart(7, '0')}`,
    ':Email': `Member.${index}@example.org`,
    'First Name': 'Ada',
    'Last Name': `Lovelace ${index}`,
    'Date Of Birth': '1990-12-10',
    Hours: '12',
    Level: index % 2 === 0 ? 'Associate' : 'Fellow',
  };
}

for (const [name, make] of Object.entries(variants)) {
  const lines = Array.from({ length: ROWS }, (_, index) => JSON.stringify(make(index)));
  const parsing = median(() => {
    for (const line of lines) JSON.parse(line);
  });
  const rows = lines.map((line) => JSON.parse(line) as JsonObject);
  const checking = median(() => {
    for (let index = 0; index < ROWS; index += 1) {
      const { error } = compiled.checkRow(rows[index]!, lines[index]!);
      if (error !== null) throw new Error(error.message);
    }
  });
  console.log(`${name}: check ${checking} ns, JSON.parse ${parsing} ns per row of ${lines[7]!.length} bytes`);
}

function median(run: () => void): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / ROWS;
  });
  return Math.round(times.sort((left, right) => left - right)[Math.floor(ROUNDS / 2)]!);
}
