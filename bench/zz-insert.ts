import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { finished } from 'node:stream/promises';
import { migrate } from '../src/database/migrate.js';
import { copyField } from '../src/database/copy/copy-text.js';
import { benchRecord, databaseUrl, freshDatabase } from './support.js';
const C = 100, R = 1000;
const cpuOf = (pid: number) => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return (Number(f[11]) + Number(f[12])) / 100; };
type Row = { id: number; line: number; attributes: string; changes: string; ids: [string, string][] };
const chunk = (c: number): Row[] => Array.from({ length: R }, (_, i) => { const n = c * R + i; const text = benchRecord(n); const o = JSON.parse(text); return { id: n + 1, line: n + 1, attributes: text, changes: JSON.stringify(Object.fromEntries(Object.entries(o).map(([k, v]) => [k, [null, v]]))), ids: [[':UniqueId', o[':UniqueId']], [':Email', o[':Email'].toLowerCase()]] }; });
const sortIds = (rows: Row[]) => rows.flatMap((r) => r.ids.map(([n, v]) => [n, v, r.id] as const)).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : 1));
async function copy(c: pg.Client, sql: string, data: string | Buffer) { const s = c.query(copyFrom(sql)); s.end(data); await finished(s); }
// binary helpers
class W { b = Buffer.allocUnsafe(1 << 20); n = 0; need(k: number) { if (this.n + k > this.b.length) { const x = Buffer.allocUnsafe(this.b.length * 2 + k); this.b.copy(x, 0, 0, this.n); this.b = x; } }
 i16(v: number) { this.need(2); this.n = this.b.writeInt16BE(v, this.n); } i32(v: number) { this.need(4); this.n = this.b.writeInt32BE(v, this.n); } i64(v: number) { this.need(8); this.n = this.b.writeInt32BE(Math.floor(v / 2 ** 32), this.n); this.n = this.b.writeUInt32BE(v >>> 0, this.n); }
 text(s: string) { this.need(s.length * 3 + 4); const l = this.b.write(s, this.n + 4); this.b.writeInt32BE(l, this.n); this.n += 4 + l; }
 jsonb(s: string) { this.need(s.length * 3 + 5); const l = this.b.write(s, this.n + 5); this.b.writeInt32BE(l + 1, this.n); this.b[this.n + 4] = 1; this.n += 5 + l; }
 f32(v: number) { this.i32(4); this.i32(v); } f64(v: number) { this.i32(8); this.i64(v); }
 head() { this.need(19); this.b.write('PGCOPY\n\xff\r\n\0', this.n, 'latin1'); this.n += 11; this.i32(0); this.i32(0); } tail() { this.i16(-1); } done() { return this.b.subarray(0, this.n); } }
function arr(oid: number, vals: readonly unknown[], put: (w: W, v: any) => void) { const w = new W(); w.i32(1); w.i32(0); w.i32(oid); w.i32(vals.length); w.i32(1); for (const v of vals) put(w, v); return w.done(); }
const ta = (v: readonly string[]) => arr(25, v, (w, x) => w.text(x)); const ba = (v: readonly number[]) => arr(20, v, (w, x) => w.f64(x)); const ia = (v: readonly number[]) => arr(23, v, (w, x) => w.f32(x)); const ja = (v: readonly string[]) => arr(3802, v, (w, x) => w.jsonb(x));
const variants: Record<string, (c: pg.Client, rows: Row[]) => Promise<void>> = {
  'copy text': async (c, rows) => {
    let t = ''; for (const [n, v, id] of sortIds(rows)) t += `1\t${copyField(n)}\t${copyField(v)}\t0\t${id}\n`; await copy(c, 'COPY workflow_identifier FROM STDIN', t);
    t = ''; for (const r of rows) t += `${r.id}\t1\tincomplete\tApplication\t${copyField(r.attributes)}\n`; await copy(c, 'COPY workflow_instance (workflow_instance_id, workflow_id, status, step, attributes) FROM STDIN', t);
    t = ''; for (const r of rows) t += `${r.id}\t1\t${r.line}\tGrant\tbench\t${copyField(r.changes)}\n`; await copy(c, 'COPY workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes) FROM STDIN', t);
  },
  'copy binary': async (c, rows) => {
    let w = new W(); w.head(); for (const [n, v, id] of sortIds(rows)) { w.i16(5); w.f32(1); w.text(n); w.text(v); w.f64(0); w.f64(id); } w.tail(); await copy(c, 'COPY workflow_identifier FROM STDIN BINARY', w.done());
    w = new W(); w.head(); for (const r of rows) { w.i16(5); w.f64(r.id); w.f32(1); w.text('incomplete'); w.text('Application'); w.jsonb(r.attributes); } w.tail(); await copy(c, 'COPY workflow_instance (workflow_instance_id, workflow_id, status, step, attributes) FROM STDIN BINARY', w.done());
    w = new W(); w.head(); for (const r of rows) { w.i16(6); w.f64(r.id); w.f64(1); w.f32(r.line); w.text('Grant'); w.text('bench'); w.jsonb(r.changes); } w.tail(); await copy(c, 'COPY workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes) FROM STDIN BINARY', w.done());
  },
  'insert unnest text': async (c, rows) => {
    const ids = sortIds(rows);
    await c.query('INSERT INTO workflow_identifier SELECT 1, n, v, 0, i FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(n, v, i)', [ids.map((x) => x[0]), ids.map((x) => x[1]), ids.map((x) => x[2])]);
    await c.query(`INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes) SELECT i, 1, s, 'Application', a FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) AS u(i, s, a)`, [rows.map((r) => r.id), rows.map(() => 'incomplete'), rows.map((r) => r.attributes)]);
    await c.query(`INSERT INTO workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes) SELECT i, 1, l, a, 'bench', j FROM unnest($1::bigint[], $2::int[], $3::text[], $4::jsonb[]) AS u(i, l, a, j)`, [rows.map((r) => r.id), rows.map((r) => r.line), rows.map(() => 'Grant'), rows.map((r) => r.changes)]);
  },
  'insert unnest binary': async (c, rows) => {
    const ids = sortIds(rows);
    await c.query('INSERT INTO workflow_identifier SELECT 1, n, v, 0, i FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(n, v, i)', [ta(ids.map((x) => x[0])), ta(ids.map((x) => x[1])), ba(ids.map((x) => x[2]))]);
    await c.query(`INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes) SELECT i, 1, s, 'Application', a FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) AS u(i, s, a)`, [ba(rows.map((r) => r.id)), ta(rows.map(() => 'incomplete')), ja(rows.map((r) => r.attributes))]);
    await c.query(`INSERT INTO workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes) SELECT i, 1, l, a, 'bench', j FROM unnest($1::bigint[], $2::int[], $3::text[], $4::jsonb[]) AS u(i, l, a, j)`, [ba(rows.map((r) => r.id)), ia(rows.map((r) => r.line)), ta(rows.map(() => 'Grant')), ja(rows.map((r) => r.changes))]);
  },
  'insert recordset': async (c, rows) => {
    const ids = sortIds(rows);
    await c.query('INSERT INTO workflow_identifier SELECT 1, n, v, 0, i FROM json_to_recordset($1::json) AS u(n text, v text, i bigint)', [JSON.stringify(ids.map(([n, v, i]) => ({ n, v, i })))]);
    await c.query(`INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes) SELECT i, 1, s, 'Application', a FROM json_to_recordset($1::json) AS u(i bigint, s text, a jsonb)`, [`[${rows.map((r) => `{"i":${r.id},"s":"incomplete","a":${r.attributes}}`).join()}]`]);
    await c.query(`INSERT INTO workflow_log (workflow_instance_id, workflow_import_queue_batch_id, line_number, action, actor, changes) SELECT i, 1, l, a, 'bench', j FROM json_to_recordset($1::json) AS u(i bigint, l int, a text, j jsonb)`, [`[${rows.map((r) => `{"i":${r.id},"l":${r.line},"a":"Grant","j":${r.changes}}`).join()}]`]);
  },
};
const chunks = Array.from({ length: C }, (_, c) => chunk(c));
await freshDatabase('wt_insert'); await migrate({ databaseUrl: databaseUrl('wt_insert'), databasePoolSize: 2 });
const c = new pg.Client({ connectionString: databaseUrl('wt_insert') }); await c.connect();
const pid = (await c.query('select pg_backend_pid() p')).rows[0].p;
for (let round = 0; round < 3; round++) for (const [name, run] of Object.entries(variants)) {
  await c.query('truncate workflow_instance, workflow_identifier, workflow_log'); await c.query('checkpoint');
  const n0 = process.cpuUsage(), p0 = cpuOf(pid), t0 = performance.now();
  for (const rows of chunks) { await c.query('begin'); await run(c, rows); await c.query('commit'); }
  const n = process.cpuUsage(n0);
  console.log(round, name.padEnd(22), 'node', ((n.user + n.system) / C / R).toFixed(1), 'pg', (((cpuOf(pid) - p0) * 1e6) / C / R).toFixed(1), 'us/rec; wall', Math.round(C * R / (performance.now() - t0)), 'k/s');
}
await c.end(); process.exit(0);
