import type { BatchResource } from '../../batches/batch-resource.js';
import { DATE_ORDERS, DECIMAL_MARKS } from '../../formats/reading.js';
import { ReadDto } from '../../import-processes/reading.dto.js';
import { validateBody } from '../../platform/http/validation.js';
import { text, type TextKey } from '../texts/catalogue.js';

type Understood = NonNullable<BatchResource['understood']>;
type Summary = NonNullable<BatchResource['summary']>;

/** One choice of the reading as a select. */
interface Choice {
  name: string;
  label: string;
  options: { value: string; text: string; selected: boolean }[];
  /** What the choice does in this file, with numbers. */
  hint: string | null;
}

const ENCODINGS: readonly (readonly [value: string, key: TextKey])[] = [
  ['utf-8', 'upload.encodings.utf8'],
  ['windows-1252', 'upload.encodings.windows1252'],
  ['macintosh', 'upload.encodings.macintosh'],
  ['windows-1250', 'upload.encodings.windows1250'],
  ['iso-8859-2', 'upload.encodings.iso88592'],
  ['windows-1251', 'upload.encodings.windows1251'],
  ['utf-16le', 'upload.encodings.utf16'],
  ['shift_jis', 'upload.encodings.shiftJis'],
  ['gb18030', 'upload.encodings.gb18030'],
];
const DELIMITERS: readonly (readonly [value: string, key: TextKey])[] = [
  [',', 'confirmation.delimiters.comma'],
  [';', 'confirmation.delimiters.semicolon'],
  ['\t', 'confirmation.delimiters.tab'],
  ['|', 'confirmation.delimiters.pipe'],
];
/** The rows that the page offers as the header; any other can be chosen through the API. */
const OFFERED_ROWS = 20;

type Option = readonly [value: string, text: string];

function choiceOf(
  name: keyof ReadDto,
  options: readonly Option[],
  selected: string,
  hint: string | null = null,
): Choice {
  // A value that the page does not offer was chosen through the API.
  const offered = options.some(([value]) => value === selected)
    ? options
    : [...options, [selected, selected] as const];
  return {
    name,
    label: text(`confirmation.choices.${name as Exclude<keyof ReadDto, 'mapping' | 'constants'>}`),
    options: offered.map(([value, label]) => ({ value, text: label, selected: value === selected })),
    hint,
  };
}

const named = (options: readonly (readonly [string, TextKey])[]): Option[] =>
  options.map(([value, key]) => [value, text(key)]);

/** The choices of a table, each with the value that applied; the second list is for a closer look. */
export function readingChoices(understood: Understood, summary: Summary | null) {
  const { encoding, delimiter, sheet, sheets, headerRow, dateOrder, decimalMark } = understood;
  const hint = (count: number | undefined, key: TextKey) => (count ? text(key, { count }) : null);
  const rows = Array.from({ length: OFFERED_ROWS }, (_, index): Option => [
    String(index + 1),
    text('confirmation.headerRow', { row: index + 1 }),
  ]);
  const main = [
    ...(sheets === null || sheet === null
      ? []
      : [
          choiceOf(
            'sheet',
            sheets.map((name) => [name, name] as const),
            sheet,
          ),
        ]),
    ...(delimiter === null ? [] : [choiceOf('delimiter', named(DELIMITERS), delimiter)]),
    ...(encoding === null ? [] : [choiceOf('encoding', named(ENCODINGS), encoding)]),
    choiceOf('headerRow', [...rows, ['none', text('confirmation.noHeader')]], String(headerRow ?? 1)),
    choiceOf(
      'dateOrder',
      [
        ['', text('confirmation.byColumn')],
        ...DATE_ORDERS.map((order): Option => [order, text(`confirmation.dateOrders.${order}`)]),
      ],
      dateOrder ?? '',
    ),
    choiceOf(
      'decimalMark',
      [
        ['', text('confirmation.byColumn')],
        ...DECIMAL_MARKS.map((mark): Option => [mark, text(`confirmation.decimalMarks.${mark}`)]),
      ],
      decimalMark ?? '',
    ),
    choiceOf(
      'emptyCells',
      [
        ['keep', text('confirmation.emptyCells.keep')],
        ['clear', text('confirmation.emptyCells.clear')],
      ],
      understood.emptyCells,
      hint(summary?.emptyCells, 'confirmation.emptyCells.count'),
    ),
  ];
  const further = [
    choiceOf(
      'shortRows',
      [
        ['reject', text('confirmation.shortRows.reject')],
        ['fill', text('confirmation.shortRows.fill')],
      ],
      understood.shortRows,
      hint(summary?.shortRows, 'confirmation.shortRows.count'),
    ),
    choiceOf(
      'trim',
      [
        ['ends', text('confirmation.trim.ends')],
        ['none', text('confirmation.trim.none')],
      ],
      understood.trim,
      hint(summary?.keptSpaces, 'confirmation.trim.count'),
    ),
    choiceOf(
      'booleans',
      [
        ['words', text('confirmation.booleans.words')],
        ['exact', text('confirmation.booleans.exact')],
      ],
      understood.booleans,
    ),
    choiceOf(
      'apostrophes',
      [
        ['remove', text('confirmation.apostrophes.remove')],
        ['keep', text('confirmation.apostrophes.keep')],
      ],
      understood.apostrophes,
      hint(summary?.apostrophes, 'confirmation.apostrophes.count'),
    ),
  ];
  return { main, further };
}

/**
 * The choices of the form that differ from what applied, so that a choice that nobody made stays with the file.
 * @throws DomainError 400
 */
export function changedChoices(form: unknown, understood: Understood): ReadDto {
  const changed = Object.entries((form ?? {}) as Record<string, unknown>).flatMap(([name, value]) => {
    const present = understood[name as keyof Understood];
    const shown = typeof present === 'string' || typeof present === 'number' ? String(present) : '';
    return value === shown ? [] : [[name, value === '' ? null : value] as const];
  });
  return validateBody(ReadDto, Object.fromEntries(changed));
}
