import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { Client } from 'pg';
import { Site } from '../crash/support/site.js';
import { ImportClient } from '../support/import-client.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { TEST_API_KEY } from '../support/test-app.js';

const MB = 1_000_000;
const CUT_EVERY = 50 * MB;
const KILL_AT = [300 * MB, 700 * MB];
const ROWS = 100_000;
const BOUNDARY = 'between-the-fields';
const decompress = promisify(zstdDecompress);

const HEADER = ':UniqueId,:Email,First Name,Level,Padding\r\n';
const PADDING = 'wide '.repeat(2000);
const row = (n: number) => `L-${n},large${n}@example.org,First ${n},Fellow,${PADDING}\r\n`;

/** The file of 1 GB, which is never in memory as a whole. */
function* file(): Generator<Buffer> {
  yield Buffer.from(HEADER);
  for (let n = 0; n < ROWS; n += 100) {
    yield Buffer.from(Array.from({ length: 100 }, (_, index) => row(n + index)).join(''));
  }
}

const BEFORE = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\nContent-Type: text/csv\r\n\r\n`,
);
const AFTER = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

function* body(from: number): Generator<Buffer> {
  let at = 0;
  for (const pieces of [[BEFORE], file(), [AFTER]]) {
    for (const piece of pieces) {
      const end = at + piece.length;
      if (end > from) yield at < from ? piece.subarray(from - at) : piece;
      at = end;
    }
  }
}

describe('an upload of 1 GB', () => {
  /** Break it: in `UploadStore.append`, do not write what is held when the pieces throw; in `receive`, forget it. */
  it('arrives unchanged, as one batch, although it is cut every 50 MB and its process is killed twice', async () => {
    const site = await Site.open();
    let api = site.start('all');
    const direct = await site.client(api);
    const target = await api.url();
    const { port } = new URL(target);
    const proxy = await startTcpProxy(target);
    const client = new ImportClient(proxy.url.replace(/\/$/, ''));
    const sql = new Client({ connectionString: site.database.url });
    await sql.connect();
    try {
      const expected = createHash('sha256');
      let size = 0;
      for (const piece of file()) {
        expected.update(piece);
        size += piece.length;
      }
      const total = BEFORE.length + size + AFTER.length;
      expect(size).toBeGreaterThan(1000 * MB);
      const importProcessId = Number(/importProcessId=(\d+)/.exec(site.createPath())![1]);

      const begun = await direct.call(
        'POST',
        `/API/WorkflowImportQueue/Uploads?fileName=large.csv&importProcessId=${importProcessId}`,
        {
          body: '',
          headers: {
            'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
            'upload-complete': '?0',
            'upload-length': String(total),
          },
        },
      );
      expect(begun.status).toBe(201);
      const path = begun.headers.get('location')!;

      const append = (offset: number) =>
        new Promise<{ status: number; text: string }>((resolve, reject) => {
          const sent = request(
            `${proxy.url.replace(/\/$/, '')}${path}`,
            {
              method: 'PATCH',
              agent: false,
              headers: {
                authorization: `apikey ${TEST_API_KEY}`,
                'content-type': 'application/partial-upload',
                'content-length': String(total - offset),
                'upload-offset': String(offset),
                'upload-complete': '?1',
              },
            },
            (answer) => {
              let text = '';
              answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
              answer.on('end', () => resolve({ status: answer.statusCode!, text }));
              answer.on('error', reject);
            },
          );
          sent.on('error', reject);
          const source = Readable.from(body(offset), { objectMode: false });
          sent.on('close', () => source.destroy());
          source.pipe(sent);
        });
      /** The bytes that arrived, as the service says it; it may just be starting again. */
      const arrived = async (): Promise<number> => {
        for (;;) {
          const answer = await client.call('HEAD', path).catch(() => null);
          if (answer?.status === 204) return Number(answer.headers.get('upload-offset'));
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      };

      proxy.breakEvery(CUT_EVERY);
      const killAt = [...KILL_AT];
      let offset = 0;
      let [cuts, kills] = [0, 0];
      let answer: { status: number; text: string } | null = null;
      while (answer === null) {
        const beyond = killAt[0];
        if (beyond !== undefined && offset >= beyond) {
          killAt.shift();
          const broken = append(offset).catch(() => null);
          await new Promise((resolve) => setTimeout(resolve, 300));
          await api.kill();
          await broken;
          kills += 1;
          api = site.start('all', { PORT: port });
          await api.ready();
        } else {
          answer = await append(offset).catch(() => null);
          if (answer === null) cuts += 1;
        }
        if (answer === null) offset = await arrived();
      }

      expect([answer.status, answer.text.slice(0, 500)]).toEqual([202, expect.stringContaining('large.csv')]);
      const batch = JSON.parse(answer.text);
      expect(batch.status).toBe('awaiting_confirmation');
      expect(batch.recordCounts.total).toBe(ROWS);
      expect((await sql.query('SELECT FROM import_queue_batch')).rowCount).toBe(1);
      const stored = createHash('sha256');
      const { rows: parts } = await sql.query<{ upload_id: string; part_number: number }>(
        `SELECT upload_id, part_number FROM upload_part JOIN upload USING (upload_id)
          WHERE workflow_import_queue_batch_id = $1 ORDER BY part_number`,
        [batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
      );
      for (const { upload_id, part_number } of parts) {
        const { rows } = await sql.query<{ compressed: boolean; bytes: Buffer }>(
          'SELECT compressed, bytes FROM upload_part WHERE upload_id = $1 AND part_number = $2',
          [upload_id, part_number],
        );
        stored.update(rows[0]!.compressed ? await decompress(rows[0]!.bytes) : rows[0]!.bytes);
      }
      const sha256 = expected.digest('hex');
      expect(stored.digest('hex')).toBe(sha256);
      expect([cuts >= 15, kills]).toEqual([true, 2]);
      console.log({ bytes: size, parts: parts.length, cuts, kills, sha256, batches: 1 });
    } finally {
      await sql.end();
      await proxy.close();
      await site.close();
    }
  }, 1_500_000);
});
