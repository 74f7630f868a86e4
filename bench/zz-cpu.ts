import 'reflect-metadata';
import { readFileSync } from 'node:fs';
const R='../';
const { createApp } = await import(R+'src/bootstrap.js');
const { loadConfig } = await import(R+'src/config/load-config.js');
const { DatabaseService } = await import(R+'src/database/database.service.js');
const { migrate } = await import(R+'src/database/migrate.js');
const { SET_BASED_SQL } = await import(R+'bench/set-based-reference.js');
const S = await import(R+'bench/support.js');
import pg from 'pg';
const { Client } = pg;
const N = Number(process.argv[2] ?? 50000);
const env: any = {}; for (const a of process.argv.slice(3)) { const [k,v]=a.split('='); env[k!]=v; }
let session: any;
const stat = new Map<string,number>();
if (env.STEPS) {
  const { PgTransaction } = await import(R+'src/database/pg-transaction.js');
  const q = PgTransaction.prototype.query;
  PgTransaction.prototype.query = async function(t: string, v: any) { const t0=performance.now(); try { return await q.call(this,t,v); } finally { const k=t.trim().replace(/\s+/g,' ').slice(0,70); stat.set(k,(stat.get(k)??0)+performance.now()-t0);} };
  const c = PgTransaction.prototype.copyFrom;
  PgTransaction.prototype.copyFrom = function(t: string) { const t0=performance.now(); const st=c.call(this,t); st.on('finish',()=>{ const k=t.slice(0,40); stat.set(k,(stat.get(k)??0)+performance.now()-t0); }); return st; };
  const sp = PgTransaction.prototype.savepoint;
  PgTransaction.prototype.savepoint = async function(w: any) { const t0=performance.now(); try { return await sp.call(this,w); } finally { stat.set('savepoint total',(stat.get('savepoint total')??0)+performance.now()-t0);} };
}

const admin = new Client({ connectionString: S.SERVER }); await admin.connect();
function cpuOf(pid: number) { try { const f = readFileSync(`/proc/${pid}/stat`,'utf8').split(') ')[1]!.split(' '); return (Number(f[11])+Number(f[12]))/100; } catch { return 0; } }
const seen = new Map<number, number>();
async function backends(db: string) { const { rows } = await admin.query('select pid from pg_stat_activity where datname=$1', [db]); let t=0; for (const r of rows) t+=cpuOf(r.pid); return t; }
await S.freshDatabase('wt_cpu');
const app = await createApp(loadConfig({ DATABASE_URL: S.databaseUrl('wt_cpu'), REDIS_URL: S.REDIS, QUEUE_PREFIX: `wt-${Date.now()}`, PORT: '0', BOOTSTRAP_API_KEY: S.BENCH_KEY, LOG_LEVEL: 'warn', ...env }));
await app.listen(0,'127.0.0.1');
const service: any = { url: `http://127.0.0.1:${app.getHttpServer().address().port}` };
const id = await S.setUpProcess(service);
const path = await S.writeRecords(N);
const changed = await S.writeRecords(N, (n: number) => S.benchRecord(n).replace('some words','other words'));
const db = app.get(DatabaseService);
for (const [name,file] of (env.ONLY ? [['create',path]] : [['create',path],['unchanged',path],['update',changed]]) as any) {
  const { batchId } = await S.post(service, id, file);
  if (env.PROF===name) { const { Session } = await import('node:inspector/promises'); session = new Session(); session.connect(); await session.post('Profiler.enable'); await session.post('Profiler.setSamplingInterval',{interval:200}); await session.post('Profiler.start'); }
  const c0 = process.cpuUsage(), b0 = await backends('wt_cpu'), t0 = performance.now();
  for (;;) { const { rows } = await db.query('SELECT status FROM import_queue_batch WHERE workflow_import_queue_batch_id=$1',[batchId]); if (rows[0].status==='completed') break; if (!/queued|in_prog/.test(rows[0].status)) throw new Error(rows[0].status); await new Promise(r=>setTimeout(r,20)); }
  if (env.PROF===name) { const { profile } = await session.post('Profiler.stop'); (await import('node:fs')).mkdirSync('/tmp/wt/prof',{recursive:true}); (await import('node:fs')).writeFileSync('/tmp/wt/prof/p.cpuprofile', JSON.stringify(profile)); }
  const wall=(performance.now()-t0)/1000; const c=process.cpuUsage(c0); const b = await backends('wt_cpu')-b0;
  for (const [k,v] of [...stat].sort((a,b)=>b[1]-a[1]).slice(0,16)) console.log('   ', (v*1000/N).toFixed(1).padStart(6), 'us/rec', k); stat.clear();
  console.log(`${name}: ${Math.round(N/wall)}/s; node ${( (c.user+c.system)/N).toFixed(1)} us/rec, postgres ${(b*1e6/N).toFixed(1)} us/rec`);
}
await app.close();
await S.freshDatabase('wt_cpu_ref');
await migrate({ databaseUrl: S.databaseUrl('wt_cpu_ref'), databasePoolSize: 2 });
S.psql('wt_cpu', `\\copy (SELECT 1, line_number, payload FROM import_queue_record WHERE workflow_import_queue_batch_id = 1) TO '/tmp/wt/c.copy'`);
S.psql('wt_cpu_ref', `\\copy import_queue_record (workflow_import_queue_batch_id, line_number, payload) FROM '/tmp/wt/c.copy'`);
const c = new Client({ connectionString: S.databaseUrl('wt_cpu_ref') }); await c.connect();
const pid=(await c.query('select pg_backend_pid() p')).rows[0].p;
const b0=cpuOf(pid), t0=performance.now();
for (const q of SET_BASED_SQL) await c.query(q);
console.log(`psql: ${Math.round(N/((performance.now()-t0)/1000))}/s; postgres ${((cpuOf(pid)-b0)*1e6/N).toFixed(1)} us/rec`);
await c.end(); await admin.end(); process.exit(0);
