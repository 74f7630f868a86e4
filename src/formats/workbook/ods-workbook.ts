import { OdsTable } from './ods-table.js';
import type { OpenWorkbook, SheetInfo, SheetRow } from './workbook-cells.js';
import { DamagedWorkbookError, exceeds, WORKBOOK_LIMITS } from './workbook-limits.js';
import { passwordProtected, type WorkbookArchive } from './workbook-archive.js';
import { collectXml, readXml, type XmlTag } from './xml-part.js';

const ODF = 'urn:oasis:names:tc:opendocument:xmlns:';
const OFFICE = `${ODF}office:1.0`;
const STYLE = `${ODF}style:1.0`;
const TABLE = `${ODF}table:1.0`;

const CONTENT = 'content.xml';
const MANIFEST = 'META-INF/manifest.xml';
/** The list of parts is short; the names of the ones that are encrypted come first. */
const MANIFEST_BYTES = 64 * 1024;

/** The value of an attribute, whatever its prefix. */
function odfAttribute({ attributes }: XmlTag, namespace: string, local: string): string | undefined {
  for (const name in attributes) {
    const attribute = attributes[name];
    if (attribute?.local === local && attribute.uri === namespace) return attribute.value;
  }
  return undefined;
}

/** Opens an OpenDocument spreadsheet. @throws DamagedWorkbookError, NotAWorkbookError */
export async function openOds(archive: WorkbookArchive): Promise<OpenWorkbook> {
  if (archive.has(MANIFEST)) {
    const manifest = (await archive.start(MANIFEST, MANIFEST_BYTES)).toString('latin1');
    if (manifest.includes('encryption-data')) throw passwordProtected();
  }
  async function* rows(place: number): AsyncGenerator<SheetRow[], void, undefined> {
    const table = new OdsTable(place);
    for await (const found of collectXml(archive.read(CONTENT), table)) {
      yield found;
      if (table.isOver) return;
    }
  }
  return { format: 'ods', sheets: () => tablesOf(archive), rows };
}

/** The tables of the document in their order; a first pass over the whole part, which also proves its checksum. */
async function tablesOf(archive: WorkbookArchive): Promise<SheetInfo[]> {
  const tables: SheetInfo[] = [];
  const hiddenStyles = new Set<string>();
  let style = '';
  let parent = '';
  const parents: string[] = [];
  await readXml(archive.read(CONTENT), {
    open(tag) {
      const { local, uri } = tag;
      if (uri === TABLE && local === 'table' && parent === 'spreadsheet') {
        const hidden = hiddenStyles.has(odfAttribute(tag, TABLE, 'style-name') ?? '');
        tables.push({ name: odfAttribute(tag, TABLE, 'name') ?? '', hidden });
        if (tables.length > WORKBOOK_LIMITS.sheets) throw exceeds('sheets', WORKBOOK_LIMITS.sheets);
      } else if (uri === STYLE && local === 'style') style = odfAttribute(tag, STYLE, 'name') ?? '';
      else if (
        uri === STYLE &&
        local === 'table-properties' &&
        odfAttribute(tag, TABLE, 'display') === 'false'
      ) {
        hiddenStyles.add(style);
      }
      parents.push(parent);
      parent = uri === OFFICE ? local : '';
    },
    close() {
      parent = parents.pop() ?? '';
    },
    text: () => undefined,
  });
  if (tables.length === 0) throw new DamagedWorkbookError('has no sheet with cells');
  return tables;
}
