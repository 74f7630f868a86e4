import {
  DamagedWorkbookError,
  exceeds,
  passwordProtected,
  WORKBOOK_LIMITS,
  type WorkbookArchive,
} from './workbook-archive.js';
import {
  CELL,
  type CellLetter,
  CellText,
  durationText,
  type OpenWorkbook,
  plainNumber,
  RowCollector,
  type SheetInfo,
  type SheetRow,
} from './workbook-cells.js';
import { collectXml, readXml, type XmlHandlers, type XmlTag } from './workbook-xml.js';

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

const NAMESPACES: Readonly<Record<string, string>> = {
  [`${ODF}table:1.0`]: 'table',
  [`${ODF}office:1.0`]: 'office',
  [`${ODF}text:1.0`]: 'text',
  [`${ODF}drawing:1.0`]: 'draw',
  'urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0': 'calcext',
};
const ERROR_TEXT = /^(#[A-Z0-9/?!]+|Err:\d+)$/;
const MOMENT = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:[.,](\d+))?)?Z?$/;
const TIME = /^(-?)P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?$/;

/** A cell as its element states it. */
interface Cell {
  type: string;
  /** The value in the attribute of its type. */
  value: string | undefined;
  isError: boolean;
  hasFormula: boolean;
  /** How many cells to the right are equal. */
  times: number;
  isCovered: boolean;
}

/** Reads the rows of one table of an OpenDocument spreadsheet. */
class OdsTable implements XmlHandlers {
  /** Whether the end of the table was read. */
  isOver = false;
  private readonly rows = new RowCollector();
  private readonly gathered = new CellText();
  private readonly parents: string[] = [];
  private tables = -1;
  /** The depth of the element whose contents are not read: a comment, a drawing, another table. */
  private skipped = 0;
  private isInTable = false;
  private column = 0;
  private rowTimes = 1;
  private cell: Cell | null = null;
  private paragraphs = 0;
  private isInParagraph = false;
  /** White space at this place is not kept: at the start of a paragraph, and after other white space. */
  private ignoresSpace = true;

  constructor(private readonly place: number) {}

  take(): SheetRow[] {
    return this.rows.take();
  }

  open(tag: XmlTag): void {
    const name = nameOf(tag);
    const parent = this.parents.at(-1);
    this.parents.push(name);
    if (this.skipped > 0) return;
    if (name === 'table:table' && parent === 'office:spreadsheet') {
      this.tables += 1;
      this.isInTable = this.tables === this.place;
      return;
    }
    if (!this.isInTable) return;
    if (this.cell !== null && this.openInCell(name, tag)) return;
    if (name === 'table:table-row') this.openRow(tag);
    else if (name === 'table:table-cell' || name === 'table:covered-table-cell') {
      this.cell = cellOf(tag, name !== 'table:table-cell');
      this.paragraphs = 0;
    } else if (isApart(name)) this.skipped = this.parents.length;
  }

  close(): void {
    const depth = this.parents.length;
    const name = this.parents.pop();
    if (this.skipped > 0) {
      if (depth === this.skipped) this.skipped = 0;
      return;
    }
    if (!this.isInTable) return;
    if (name === 'text:p') this.isInParagraph = false;
    else if (name === 'table:table-cell' || name === 'table:covered-table-cell') this.closeCell();
    else if (name === 'table:table-row') this.rows.end(this.rowTimes);
    else if (name === 'table:table') {
      this.isInTable = false;
      this.isOver = true;
    }
  }

  text(text: string): void {
    if (!this.isInParagraph || this.skipped > 0) return;
    const collapsed = text.replace(/[ \t\r\n]+/g, ' ');
    this.gathered.add(this.ignoresSpace && collapsed.startsWith(' ') ? collapsed.slice(1) : collapsed);
    if (collapsed !== '') this.ignoresSpace = collapsed.endsWith(' ');
  }

  /** @returns whether the element belongs to the text of the cell */
  private openInCell(name: string, tag: XmlTag): boolean {
    switch (name) {
      case 'text:p':
        if (this.paragraphs > 0) this.gathered.add('\n');
        this.paragraphs += 1;
        this.isInParagraph = this.ignoresSpace = true;
        return true;
      case 'text:s':
        this.add(' '.repeat(Math.min(numberIn(tag, 'c'), WORKBOOK_LIMITS.textLength)));
        return true;
      case 'text:tab':
        this.add('\t');
        return true;
      case 'text:line-break':
        this.add('\n');
        return true;
      default:
        return false;
    }
  }

  private add(text: string): void {
    if (this.isInParagraph) this.gathered.add(text);
    this.ignoresSpace = false;
  }

  private openRow(tag: XmlTag): void {
    this.rowTimes = numberIn(tag, 'number-rows-repeated');
    this.column = 0;
    this.rows.begin(this.rows.number + 1);
  }

  private closeCell(): void {
    const text = this.gathered.checked(this.gathered.take());
    const { cell, column } = this;
    this.cell = null;
    if (cell === null) return;
    this.column += cell.times;
    if (cell.isCovered) return;
    if (cell.isError) return this.rows.set(column, CELL.error, text, text, cell.times);
    const value = valueOf(cell, this.paragraphs > 0 ? text : undefined);
    if (value === undefined) {
      if (cell.hasFormula) this.unreadable(column, 'holds a formula without a stored result');
      return;
    }
    if (value === null) return this.unreadable(column, `is damaged: its value is not a ${cell.type}`);
    const isError = cell.type === 'string' && cell.hasFormula && ERROR_TEXT.test(value);
    const letter = isError ? CELL.error : (LETTERS[cell.type] ?? CELL.text);
    const isDay = letter === CELL.dateTime && value.length === 10;
    const shown = letter === CELL.boolean ? value.toUpperCase() : value;
    this.rows.set(column, isDay ? CELL.date : letter, this.gathered.checked(value), shown, cell.times);
  }

  private unreadable(column: number, message: string): void {
    this.rows.set(column, CELL.unreadable, message);
  }
}

function nameOf({ local, uri }: XmlTag): string {
  return `${NAMESPACES[uri] ?? ''}:${local}`;
}

/** Comments, drawings with text of their own, and tables within tables. */
function isApart(name: string): boolean {
  return (
    name === 'office:annotation' ||
    name === 'table:shapes' ||
    name === 'table:table' ||
    name.startsWith('draw:')
  );
}

function attribute({ attributes }: XmlTag, local: string): string | undefined {
  for (const name in attributes) if (attributes[name]?.local === local) return attributes[name].value;
  return undefined;
}

/** A count such as `number-rows-repeated`: 1 if it is absent. */
function numberIn(tag: XmlTag, local: string): number {
  const stated = attribute(tag, local);
  if (stated === undefined) return 1;
  if (!/^\d{1,10}$/.test(stated) || Number(stated) < 1)
    throw new DamagedWorkbookError('is damaged: a count is wrong');
  return Number(stated);
}

/** The attribute that holds the value of each type. */
const VALUE_ATTRIBUTES: Readonly<Record<string, string>> = {
  float: 'value',
  percentage: 'value',
  currency: 'value',
  boolean: 'boolean-value',
  date: 'date-value',
  time: 'time-value',
  string: 'string-value',
};

const LETTERS: Readonly<Record<string, CellLetter>> = {
  float: CELL.number,
  percentage: CELL.number,
  currency: CELL.number,
  boolean: CELL.boolean,
  date: CELL.dateTime,
  time: CELL.time,
};

function cellOf(tag: XmlTag, isCovered: boolean): Cell {
  let type = '';
  let isError = false;
  for (const name in tag.attributes) {
    const { local, uri, value } = tag.attributes[name] ?? { local: '', uri: '', value: '' };
    if (local !== 'value-type') continue;
    // LibreOffice states an error in its own namespace, beside a value that means nothing.
    if (NAMESPACES[uri] === 'calcext') isError = value === 'error';
    else type = value;
  }
  const times = numberIn(tag, 'number-columns-repeated');
  if (type !== '' && times > WORKBOOK_LIMITS.columns) throw exceeds('columns', WORKBOOK_LIMITS.columns);
  const valueAttribute = VALUE_ATTRIBUTES[type];
  return {
    type,
    value: valueAttribute === undefined ? undefined : attribute(tag, valueAttribute),
    isError,
    hasFormula: attribute(tag, 'formula') !== undefined,
    times,
    isCovered,
  };
}

/** @returns `undefined` if the cell has no value, `null` if its value is damaged */
function valueOf({ type, value }: Cell, text: string | undefined): string | null | undefined {
  switch (type) {
    case 'float':
    case 'percentage':
    case 'currency':
      return value === undefined ? null : plainNumber(value);
    case 'boolean':
      return value === 'true' || value === 'false' ? value : null;
    case 'date':
      return momentOf(value ?? '');
    case 'time':
      return timeOf(value ?? '');
    default:
      return value ?? text;
  }
}

function momentOf(value: string): string | null {
  const [, day, time, fraction = ''] = MOMENT.exec(value) ?? [];
  if (day === undefined) return null;
  if (time === undefined) return day;
  if (fraction === '') return `${day}T${time}`;
  const rounded = new Date(Date.parse(`${day}T${time}Z`) + Math.round(Number(`0.${fraction}`) * 1000));
  return rounded.toISOString().replace(/(\.000)?Z$/, '');
}

function timeOf(value: string): string | null {
  const match = TIME.exec(value);
  if (match === null) return null;
  const [, sign, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  const whole = (Number(days) * 24 + Number(hours)) * 3_600_000 + Number(minutes) * 60_000;
  const ms = whole + Math.round(Number(seconds.replace(',', '.')) * 1000);
  return durationText(sign === '-' ? -ms : ms);
}
