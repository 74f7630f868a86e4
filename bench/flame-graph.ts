import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Draws a flame graph of a profile that `node --cpu-prof` has written, as SVG: the width of a box is the processor time of
 * a function and of those it called, top down. The loading of modules, and boxes that would be narrower than two pixels,
 * are left out. By hand:
 *   node --import @swc-node/register/esm-register bench/flame-graph.ts <.cpuprofile> <.svg> [title] [from second]
 */

interface Profile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  /** In microseconds, as all times here. */
  timeDeltas: number[];
}

interface Box {
  name: string;
  /** Of the function and of those it called. */
  time: number;
  inner: Map<string, Box>;
}

const WIDTH = 1200;
const ROW = 16;
const LETTER = 6.2;
const NARROWEST = 2;
/** What waits for work, or for another program, is not work. */
const WAITING = new Set(['(idle)', 'spawnSync']);
const LOADING = 'node:internal/modules/';

const [source, target, title = 'CPU', from = '0'] = process.argv.slice(2);
if (source === undefined || target === undefined) throw new Error('Give the profile and the SVG.');
const all = read(JSON.parse(readFileSync(source, 'utf8')) as Profile, Number(from) * 1e6);
const { boxes, depth } = drawn(all);
const height = (depth + 3) * ROW;
writeFileSync(
  target,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/><text x="4" y="14">${escaped(title)}: ${(all.time / 1e6).toFixed(1)} s of processor time of the main thread</text>
${boxes.join('\n')}
</svg>
`,
);

function read({ nodes, samples, timeDeltas }: Profile, after: number): Box {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const root: Box = { name: 'all', time: 0, inner: new Map() };
  let time = 0;
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0;
    time += delta;
    if (time < after) continue;
    const path: string[] = [];
    let isWork = true;
    for (let at: number | undefined = id; at !== undefined; at = callers.get(at)) {
      const { functionName = '', url = '' } = byId.get(at)?.callFrame ?? {};
      isWork &&= !WAITING.has(functionName) && !url.startsWith(LOADING);
      path.unshift(nameOf(at));
    }
    if (!isWork) continue;
    let box = root;
    box.time += delta;
    for (const name of path.slice(1)) {
      let next = box.inner.get(name);
      if (next === undefined) box.inner.set(name, (next = { name, time: 0, inner: new Map() }));
      next.time += delta;
      box = next;
    }
  }
  return root;

  function nameOf(id: number): string {
    const frame = byId.get(id)?.callFrame;
    const file = frame?.url.match(/(?:node_modules\/((?:@[^/]+\/)?[^/]+)\/|(?:dist|src)\/).*?([^/]+)$/);
    const place = file == null ? '' : ` ${file[1] === undefined ? '' : `${file[1]}/`}${file[2]}`;
    return `${frame?.functionName || '(anonymous)'}${place}`;
  }
}

function drawn(root: Box): { boxes: string[]; depth: number } {
  const boxes: string[] = [];
  let depth = 0;
  const draw = (box: Box, left: number, level: number) => {
    const width = (box.time / root.time) * WIDTH;
    if (width < NARROWEST) return;
    depth = Math.max(depth, level);
    const share = `${((100 * box.time) / root.time).toFixed(1)} %`;
    const label = box.name.slice(0, Math.max(0, Math.floor((width - 4) / LETTER)));
    const y = (level + 1) * ROW + 4;
    const hue = 15 + (hash(box.name) % 40);
    boxes.push(
      `<g><title>${escaped(box.name)}, ${share}</title><rect x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="hsl(${hue},85%,68%)"/>${
        label.length < 3 ? '' : `<text x="${(left + 2).toFixed(1)}" y="${y + 11}">${escaped(label)}</text>`
      }</g>`,
    );
    let at = left;
    for (const each of [...box.inner.values()].sort((a, b) => b.time - a.time)) {
      draw(each, at, level + 1);
      at += (each.time / root.time) * WIDTH;
    }
  };
  draw(root, 0, 0);
  return { boxes, depth };
}

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return value;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
