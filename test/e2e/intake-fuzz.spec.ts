import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { corpus } from '../support/corpora.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { seeded } from '../support/seeded.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** FUZZ_RUNS and FUZZ_SEED: more of it, or the same again. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 250);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

const ENCODINGS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
/** Every answer of CreateBatch to a body that http-api.md knows. */
const DOCUMENTED: Readonly<Record<number, readonly string[]>> = {
  202: ['accepted'],
  400: ['empty_body', 'malformed_json_lines', 'undecodable_body'],
  413: ['body_too_large', 'line_too_long', 'too_many_records', 'decompression_ratio_exceeded'],
};

describe('CreateBatch, sent third-party cases and mutations of them', () => {
  let test: TestApp;
  let sql: Client;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp({ CREATE_RATE_PER_MINUTE: '0', MAX_LINE_BYTES: '300000', CHUNK_SIZE: '10' });
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    await sql?.end();
    await test?.close();
  });

  /** Break it: in `toProblem`, answer 500 for a DomainError; in `JsonLinesReader.readBlock`, take no care of UTF-8. */
  it(`answers ${RUNS} of them as documented, and accounts for everything it accepted`, async () => {
    process.stdout.write(`fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}\n`);
    const random = seeded(SEED);
    const below = (n: number) => Math.floor(random() * n);
    const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
    const cases = corpus('json/jsonl-hazards.json')
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) =>
        Buffer.from((JSON.parse(line.replace(/,$/, '')) as { base64line: string }).base64line, 'base64'),
      );
    expect(cases.length).toBeGreaterThan(100);
    const strings = JSON.parse(corpus('strings/blns.json').toString('utf8')) as string[];

    const mutate = (bytes: Buffer): Buffer => {
      const copy = Buffer.from(bytes);
      const at = below(copy.length + 1);
      switch (below(7)) {
        case 0:
          if (copy.length > 0) copy[below(copy.length)] = below(256);
          return copy;
        case 1:
          return copy.subarray(0, at);
        case 2:
          return Buffer.concat([copy.subarray(0, at), pick(cases), copy.subarray(at)]);
        case 3:
          return Buffer.concat([
            copy.subarray(0, at),
            Buffer.from([pick([0, 10, 13, 34, 92, 239, 255])]),
            copy.subarray(at),
          ]);
        case 4:
          return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), copy]);
        default:
          return copy;
      }
    };
    const line = (): Buffer => {
      switch (below(3)) {
        case 0:
          return mutate(pick(cases));
        case 1:
          return Buffer.from(
            JSON.stringify(member(below(50), { 'First Name': pick(strings), Notes: pick(strings) })),
          );
        default:
          return mutate(Buffer.from(JSON.stringify(member(below(50), { [pick(strings)]: pick(strings) }))));
      }
    };

    const answers = new Map<string, number>();
    for (let run = 1; run <= RUNS; run += 1) {
      const lines = Array.from({ length: 1 + below(4) }, line);
      let body: Buffer = Buffer.concat(
        lines.flatMap((each) => [each, Buffer.from(pick(['\n', '\r\n', '\n\n']))]),
      );
      const headers: Record<string, string> = { 'content-type': 'application/jsonl' };
      const encoding = pick(['identity', 'identity', 'gzip', 'deflate', 'br'] as const);
      if (encoding !== 'identity') {
        headers['content-encoding'] = encoding;
        body = ENCODINGS[encoding](body);
        if (random() < 0.3) body = mutate(body);
      }
      const answer = await client.createBatch(body, { importProcessId }, headers);
      const code = answer.body.code ?? 'accepted';
      if (DOCUMENTED[answer.status]?.includes(code) !== true) {
        throw new Error(
          `run ${run} of seed ${SEED}: ${answer.status} ${code} for ${body.toString('base64').slice(0, 2_000)}`,
        );
      }
      answers.set(code, (answers.get(code) ?? 0) + 1);
    }
    process.stdout.write(`fuzz: ${[...answers].map(([code, count]) => `${count} ${code}`).join(', ')}\n`);
    expect(answers.get('accepted')).toBeGreaterThan(0);
    expect(answers.get('malformed_json_lines')).toBeGreaterThan(0);

    await eventually(
      async () =>
        (await sql.query('SELECT FROM import_queue_batch WHERE finished_at IS NULL LIMIT 1')).rowCount === 0,
      'all batches to end',
      40_000,
    );
    expect(await client.createBatch(jsonl([member(1)]), { importProcessId })).toMatchObject({ status: 202 });
    const { rows } = await sql.query(
      `SELECT error_code, count(*) FROM import_queue_record WHERE error_code IN ('processing_error', 'internal_error') GROUP BY 1`,
    );
    expect(rows).toEqual([]);
    await eventually(async () => (await examine(sql, INVARIANTS)).length === 0, 'every invariant to hold');
  });
});
