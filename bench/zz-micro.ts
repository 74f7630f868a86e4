import { compileWorkflowTarget } from '../src/workflows/rows/compile-workflow-target.js';
import { resolveRows } from '../src/targets/workflow/resolve-rows.js';
import { attributesText, changesText } from '../src/targets/workflow/json-text.js';
import { copyField } from '../src/database/copy/copy-text.js';
import { BENCH_WORKFLOW, benchRecord } from './support.js';
const compiled = compileWorkflowTarget({ workflowId: 1, definition: BENCH_WORKFLOW as any, configuration: { kind: 'workflow', workflow: 'b', step: 'Import', action: 'Grant', onNoMatch: 'create', onMatch: 'update' }, recordSchema: null });
const payloads = Array.from({ length: 50000 }, (_, n) => benchRecord(n));
const rules: any = { configuration: compiled.configuration, effects: new Map(), now: '2026', actsOnTerminal: true, firstStep: 'Application', fold: (n: string, w: string) => w.toLowerCase() };
import { PerformanceObserver } from 'node:perf_hooks'; let gc = 0, gcs = 0; new PerformanceObserver((l) => { for (const e of l.getEntries()) { gc += e.duration; gcs++; } }).observe({ entryTypes: ['gc'] });
const T: Record<string, number[]> = {};
const t = (k: string, f: () => any) => { const c = performance.now(); const r = f(); (T[k] ??= []).push(performance.now() - c); return r; };
for (let round = 0; round < 6; round++) { if (round === 2) for (const k in T) T[k] = [];
for (let i = 0; i < 50000; i += 1000) {
  const rows = t('parse', () => payloads.slice(i, i + 1000).map((payload, j) => compiled.parseRow({ line: i + j + 1, payload }).row!));
  const res = t('resolve', () => resolveRows(rows, [], rules));
  const texts: string[] = t('attributes text', () => res.created.map((c: any) => attributesText(c.attributes)));
  const logs: string[] = t('log text', () => res.effects.map((c: any) => changesText(c.changes)));
  t('escape', () => { texts.map(copyField); logs.map(copyField); });
  t('buffer', () => { Buffer.from(texts.join('\n')); Buffer.from(logs.join('\n')); });
} }
await new Promise((r) => setTimeout(r, 50)); console.log('gcs', gcs, 'ms', gc.toFixed(0));
for (const [k, v] of Object.entries(T)) { const q = v.sort((a, b) => a - b); console.log(k.padEnd(16), 'p10', q[Math.floor(q.length * 0.1)]!.toFixed(2), 'p50', q[q.length >> 1]!.toFixed(2), 'us/rec'); };
