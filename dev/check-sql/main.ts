import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import ts from 'typescript';
import { migrate } from '../../src/app/database.js';
import { startPostgres } from '../embedded/postgres.js';
import { type DescribedColumn, describeStatement } from './sql-description.js';
import { ConstantEvaluator, NotConstantError } from './sql-evaluation.js';

/**
 * `npm run check:sql`: asks a migrated PostgreSQL to describe every SQL statement of `src`, and compares the names and
 * types of its result columns with the row type of `query<Row>(…)`. The statements are not run. It uses the server of
 * DATABASE_URL (a database used for nothing else), or starts an embedded one.
 */

/** The most statements that are built at run time and so cannot be described here. Each has a test that runs it. */
const MOST_SKIPPED = 8;
/** Statements about the tables of other databases are made from what those tables are like. */
const FOREIGN_TABLES_FOLDER = '/src/targets/table/';
const DATABASE_FOLDER = '/src/platform/database/';

interface Statement {
  place: string;
  text: string;
  /** Members of the row type; `null` if the statement's rows have no type of their own. */
  members: ReadonlyMap<string, ts.Symbol> | null;
}

const program = loadProgram();
const checker = program.getTypeChecker();
const { statements, skipped } = collectStatements();
const problems = await withMigratedDatabase(async (client) => {
  const found: string[] = [];
  for (const statement of statements) {
    for (const problem of await problemsOf(statement, client)) found.push(`${statement.place}: ${problem}`);
  }
  return found;
});
for (const place of skipped) console.log(`not checked: ${place}`);
for (const problem of problems) console.error(problem);
if (skipped.length > MOST_SKIPPED) {
  problems.push('skipped');
  console.error(
    `At most ${MOST_SKIPPED} statements may be unchecked. Build SQL from constants, and pass values as parameters.`,
  );
}
console.log(`${statements.length} statements checked, ${skipped.length} skipped.`);
process.exitCode = problems.length === 0 ? 0 : 1;

function loadProgram(): ts.Program {
  const { config } = ts.readConfigFile('tsconfig.build.json', (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, process.cwd());
  return ts.createProgram(fileNames, { ...options, noEmit: true });
}

function collectStatements(): { statements: Statement[]; skipped: string[] } {
  const evaluator = new ConstantEvaluator(checker);
  const found = { statements: [] as Statement[], skipped: [] as string[] };
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile || !file.fileName.includes('/src/') || file.fileName.includes(DATABASE_FOLDER))
      continue;
    visit(file, (node) => {
      if (!ts.isCallExpression(node) || !isQuery(node)) return;
      const [text] = node.arguments;
      if (text === undefined) return;
      const { line } = file.getLineAndCharacterOfPosition(node.getStart());
      const place = `${file.fileName.slice(process.cwd().length + 1)}:${line + 1}`;
      try {
        found.statements.push({ place, text: String(evaluator.evaluate(text)), members: rowMembers(node) });
      } catch (error) {
        if (!(error instanceof NotConstantError)) throw error;
        if (!file.fileName.includes(FOREIGN_TABLES_FOLDER)) found.skipped.push(`${place}: ${error.message}`);
      }
    });
  }
  return found;
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** Whether this is a call of `Sql.query`, in any class. */
function isQuery(call: ts.CallExpression): boolean {
  if (!ts.isPropertyAccessExpression(call.expression) || call.expression.name.text !== 'query') return false;
  const declaration = checker.getResolvedSignature(call)?.declaration;
  return declaration?.getSourceFile().fileName.includes(DATABASE_FOLDER) === true;
}

/** The row type that the compiler infers for this call. */
function rowMembers(call: ts.CallExpression): ReadonlyMap<string, ts.Symbol> | null {
  const answer = checker.getAwaitedType(checker.getTypeAtLocation(call));
  const rows = answer?.getProperty('rows');
  const row = rows && checker.getIndexTypeOfType(checker.getTypeOfSymbol(rows), ts.IndexKind.Number);
  if (row === undefined || checker.getIndexTypeOfType(row, ts.IndexKind.String) !== undefined) return null;
  const members = checker.getPropertiesOfType(row);
  return members.length === 0 ? null : new Map(members.map((member) => [member.name, member]));
}

async function problemsOf({ text, members }: Statement, client: Client): Promise<string[]> {
  let columns: DescribedColumn[];
  try {
    columns = await describeStatement(client, text);
  } catch (error) {
    return [(error as Error).message];
  }
  if (members === null) return [];
  const names = new Set(columns.map(({ name }) => name));
  const missing = [...members.values()].filter((member) => !isOptional(member) && !names.has(member.name));
  const problems = missing.map(
    ({ name }) => `the row type has "${name}", the statement returns no such column`,
  );
  for (const { name, holds, type } of columns) {
    const member = members.get(name);
    if (member === undefined) {
      problems.push(`the statement returns "${name}", the row type has no such member`);
      continue;
    }
    const stated = checker.getTypeOfSymbol(member);
    if (!fits(stated, holds)) {
      problems.push(
        `"${name}" is ${type} in PostgreSQL, and ${checker.typeToString(stated)} in the row type`,
      );
    }
  }
  return problems;
}

function isOptional(member: ts.Symbol): boolean {
  return (member.flags & ts.SymbolFlags.Optional) !== 0;
}

/** Whether a column with values of this kind fits a member of this type. */
function fits(member: ts.Type, holds: DescribedColumn['holds']): boolean {
  const type = checker.getNonNullableType(member);
  if (type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any) || holds === 'anything') return true;
  const parts = type.isUnion() ? type.types : [type];
  return parts.every((part) => {
    switch (holds) {
      case 'number':
        return (part.flags & ts.TypeFlags.NumberLike) !== 0;
      case 'string':
        return (part.flags & ts.TypeFlags.StringLike) !== 0;
      case 'boolean':
        return (part.flags & ts.TypeFlags.BooleanLike) !== 0;
      case 'array':
        return checker.isArrayType(part);
      default:
        return part.symbol?.name === holds;
    }
  });
}

async function withMigratedDatabase<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'wiq-check-sql-'));
  const given = process.env.DATABASE_URL;
  const server =
    given === undefined ? await startPostgres(directory, {}) : { url: given, stop: () => Promise.resolve() };
  try {
    await migrate({ databaseUrl: server.url, databasePoolSize: 2 });
    const client = new Client({ connectionString: server.url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
