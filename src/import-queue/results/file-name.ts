/** Characters no file system takes, and the invisible ones that make a name look like another (bidi overrides). */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\/:*?"<>|]/gu;
const EXTENSION = /\.(?:csv|json|jsonl|ndjson|tsv|txt)$/i;

/** A safe name for a download, made from what the batch is called: `members.csv` → `members-failed.jsonl`. */
export function downloadName(fileName: string, set: string, format: string): string {
  const base = fileName
    .toWellFormed()
    .replace(UNSAFE, '_')
    .replace(EXTENSION, '')
    .replace(/^[. ]+|[. ]+$/g, '');
  return `${base.slice(0, 150).toWellFormed() || 'import'}-${set}.${format}`;
}

/** Content-Disposition (RFC 6266): the name as ASCII for old programs, and exactly as RFC 5987 has it. */
export function attachment(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_');
  const exact = encodeURIComponent(name).replace(/['()*!]/g, (character) => percentEncoded(character));
  return `attachment; filename="${ascii}"; filename*=UTF-8''${exact}`;
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
