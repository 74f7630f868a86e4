import { setTimeout as delay } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { corpus } from '../support/corpora.js';
import { type Answer, ImportClient } from '../support/import-client.js';
import { seeded } from '../support/seeded.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** FUZZ_RUNS and FUZZ_SEED: more of it, or the same again. It ends after FUZZ_SECONDS in any case. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 300);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 45);
/** Larger files make fewer runs, and no other ways through the code. */
const LARGEST = 64 * 1024;

/** An answer that does not come is not a documented one. */
const ANSWERED_WITHIN_MS = 15_000;

const COMPRESS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
/** Every answer of Uploads to a file and its parameters that is documented. */
const DOCUMENTED: Readonly<Record<number, readonly string[]>> = {
  202: ['accepted'],
  400: [
    ...['empty_body', 'malformed_csv', 'malformed_json_lines', 'undecodable_text', 'undecodable_body'],
    ...['header_row_missing', 'too_many_columns'],
    ...['duplicate_columns', 'invalid_parameter', 'malformed_multipart', 'file_missing', 'unexpected_file'],
  ],
  404: ['mapping_not_found'],
  413: ['body_too_large', 'line_too_long', 'too_many_records', 'decompression_ratio_exceeded'],
  415: ['unsupported_file', 'unsupported_content_encoding'],
  422: ['damaged_workbook'],
};

jest.setTimeout(60_000 + SECONDS * 1_000);

describe('Uploads, sent third-party CSV files and mutations of them', () => {
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

  const stored = async () =>
    (
      await sql.query(
        `SELECT (SELECT count(*)::integer FROM import_queue_batch) AS batches,
                (SELECT count(*)::integer FROM import_queue_chunk) AS chunks,
                (SELECT count(*)::integer FROM import_queue_record) AS records,
                (SELECT count(*)::integer FROM import_queue_preview) AS previews`,
      )
    ).rows[0] as Record<string, number>;

  /** Break it: in `unexpectedFile`, take the name for one that is always there (the process ends). */
  it('refuses a file part without a name', async () => {
    const before = await stored();
    const answer = await client.call(
      'POST',
      `/API/WorkflowImportQueue/Uploads?fileName=f.csv&importProcessId=${importProcessId}`,
      {
        body: '--fuzz\r\ncontent-disposition: form-data; filename="f.csv"\r\n\r\n:UniqueId,First Name\r\n1,Ada\r\n--fuzz--\r\n',
        headers: { 'content-type': 'multipart/form-data; boundary=fuzz' },
      },
    );
    expect([answer.status, answer.body.code]).toEqual([400, 'unexpected_file']);
    expect(await stored()).toEqual(before);
  });

  /**
   * Break it: in `readMapping`, let what JSON.parse throws through; in `UploadReader`, begin the transaction and
   * commit it although the file is refused.
   */
  it(`answers ${RUNS} of them as documented, stores nothing of refused files and everything of accepted ones`, async () => {
    process.stdout.write(`upload fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}\n`);
    const random = seeded(SEED);
    const below = (n: number) => Math.floor(random() * n);
    const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
    const files = (JSON.parse(corpus('csv/cases.json').toString()) as { file: string }[]).map(({ file }) =>
      corpus(file),
    );
    const texts = (JSON.parse(corpus('csv/papaparse-cases.json').toString()) as { input: string }[]).map(
      ({ input }) => Buffer.from(input),
    );
    const cases = [...files, ...texts].map((bytes) => bytes.subarray(0, LARGEST));
    expect(cases.length).toBeGreaterThan(80);
    const strings = JSON.parse(corpus('strings/blns.json').toString()) as string[];

    /** A table with the columns of the import process, in any dialect, its rows as ragged as it comes. */
    const table = (): Buffer => {
      const [delimiter, end] = [pick([',', ';', '\t', '|']), pick(['\n', '\r\n', '\r'])];
      const cell = (text: string) =>
        random() < 0.6 ? `"${text.replaceAll('"', random() < 0.9 ? '""' : '"')}"` : text;
      const rows = Array.from({ length: 1 + below(30) }, (_, n) => {
        const cells = [`M-${n}`, `person${n}@example.org`, pick(strings), pick(['Fellow', '=1+1', ''])];
        if (random() < 0.1) cells.pop();
        if (random() < 0.1) cells.push(pick(strings));
        return cells.map(cell).join(delimiter);
      });
      const header = [':UniqueId', ':Email', 'First Name', pick(['Level', '', 'First Name', '__proto__'])];
      return inEncoding([header.map(cell).join(delimiter), ...rows, ''].join(end));
    };
    const inEncoding = (text: string): Buffer => {
      switch (below(5)) {
        case 0:
          return Buffer.from(`\ufeff${text}`);
        case 1:
          return Buffer.from(`\ufeff${text}`, 'utf16le');
        case 2:
          return Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
        case 3:
          return Buffer.from(text, 'latin1');
        default:
          return Buffer.from(text);
      }
    };
    const mutate = (bytes: Buffer): Buffer => {
      const copy = Buffer.from(bytes);
      const at = below(copy.length + 1);
      const between = (middle: Buffer) => Buffer.concat([copy.subarray(0, at), middle, copy.subarray(at)]);
      switch (below(7)) {
        case 0:
          if (copy.length > 0) copy[below(copy.length)] = below(256);
          return copy;
        case 1:
          return copy.subarray(0, at);
        case 2:
          return between(pick(cases).subarray(0, 2_000));
        case 3:
          return between(Buffer.from([pick([0, 9, 10, 13, 34, 44, 59, 128, 239, 254, 255])]));
        case 4:
          return between(inEncoding(pick(strings)));
        case 5:
          return Buffer.concat([
            Buffer.from(
              pick([
                [0xef, 0xbb, 0xbf],
                [0xff, 0xfe],
                [0xfe, 0xff],
              ]),
            ),
            copy,
          ]);
        default:
          return copy;
      }
    };
    const parameters = (): { query: Record<string, string>; fields: Record<string, string> } => {
      const query: Record<string, string> = {};
      if (random() < 0.2)
        query.delimiter = pick(['comma', 'tab', ';', '|', '\u00a7', 'x', '""', '\n', '\ud83d\ude00']);
      if (random() < 0.2)
        query.encoding = pick([
          'utf-8',
          'utf-16le',
          'utf-16be',
          'windows-1252',
          'iso-8859-7',
          'shift_jis',
          'klingon',
          'a b',
        ]);
      if (random() < 0.1) query.fileName = pick(strings).slice(0, 200).replaceAll('\u0000', '') || 'x.csv';
      const mapping = pick([
        ...['{"First Name":"Last Name"}', '{"Level":null}', '{"Level":":Email"}', '{":UniqueId":"No such"}'],
        ...[
          '{"__proto__":"Level"}',
          '[]',
          '7',
          '{',
          'null',
          '{"Level":""}',
          '{"Level":{}}',
          '{"a\\u0000":"Level"}',
        ],
        JSON.stringify({ [pick(strings)]: pick(strings) }),
      ]);
      return { query, fields: random() < 0.25 ? { mapping } : {} };
    };

    const multipart = (file: Buffer, fields: Record<string, string>): Buffer =>
      Buffer.concat([
        ...Object.entries(fields).map(([name, value]) =>
          Buffer.from(`--fuzz\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
        ),
        Buffer.from('--fuzz\r\ncontent-disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'),
        ...[file, Buffer.from('\r\n--fuzz--\r\n')],
      ]);
    const send = (body: Buffer, query: Record<string, string>, encoding: string | null): Promise<Answer> => {
      const parameterText = new URLSearchParams({
        fileName: 'f.csv',
        importProcessId: String(importProcessId),
        ...query,
      });
      return client.call('POST', `/API/WorkflowImportQueue/Uploads?${parameterText.toString()}`, {
        body,
        headers: {
          'content-type': 'multipart/form-data; boundary=fuzz',
          ...(encoding !== null && { 'content-encoding': encoding }),
        },
      });
    };

    const answers = new Map<string, number>();
    const accepted: number[] = [];
    const begun = performance.now();
    let run = 1;
    for (; run <= RUNS && performance.now() - begun < SECONDS * 1_000; run += 1) {
      let file = random() < 0.4 ? table() : pick(cases);
      for (let times = below(3); times > 0; times -= 1) file = mutate(file);
      // The file itself may be compressed, or the request; either may be damaged.
      const packed = random() < 0.85 ? null : pick(['gzip', 'deflate', 'br'] as const);
      if (random() < 0.05) file = gzipSync(file);
      const { query, fields } = parameters();
      let body = multipart(file, fields);
      if (packed !== null) body = COMPRESS[packed](body);
      if (random() < 0.1) body = mutate(body);

      const before = await stored();
      const answer = await Promise.race([
        send(body, query, packed),
        delay(ANSWERED_WITHIN_MS, null, { ref: false }),
      ]);
      if (answer === null) {
        throw new Error(
          `run ${run} of seed ${SEED}: no answer to ${JSON.stringify([query, packed])} ${body.toString('base64').slice(0, 4_000)}`,
        );
      }
      const code: string = answer.body?.code ?? 'accepted';
      const told = `run ${run} of seed ${SEED}: ${answer.status} ${code} ${JSON.stringify([query, fields, packed])} ${body.toString('base64').slice(0, 2_000)}`;
      if (DOCUMENTED[answer.status]?.includes(code) !== true) throw new Error(told);
      answers.set(code, (answers.get(code) ?? 0) + 1);
      if (answer.status === 202) accepted.push(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      else expect([told, await stored()]).toEqual([told, before]);
    }
    process.stdout.write(
      `upload fuzz: ${run - 1} runs: ${[...answers].map(([code, count]) => `${count} ${code}`).join(', ')}\n`,
    );
    expect(answers.get('accepted')).toBeGreaterThan(0);
    expect(answers.size).toBeGreaterThan(4);
    const { rows } = await sql.query(
      `SELECT count(*)::integer AS batches FROM import_queue_batch b
        WHERE workflow_import_queue_batch_id = ANY ($1)
          AND total_count = (SELECT count(*) FROM import_queue_record r
                              WHERE r.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id)`,
      [accepted],
    );
    expect(rows).toEqual([{ batches: accepted.length }]);
    expect((await stored()).batches).toBe(accepted.length);
    expect((await examine(sql, INVARIANTS)).map((found) => [found.invariant.code, found.rows])).toEqual([]);
  });
});
