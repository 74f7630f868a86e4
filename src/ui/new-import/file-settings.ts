const FROM_THE_FILE = ['', 'told from the file'] as const;

const ENCODINGS: readonly (readonly [string, string])[] = [
  FROM_THE_FILE,
  ['utf-8', 'UTF-8'],
  ['windows-1252', 'Windows-1252 (Western European)'],
  ['utf-16le', 'UTF-16'],
  ['iso-8859-2', 'ISO-8859-2 (Central European)'],
  ['windows-1251', 'Windows-1251 (Cyrillic)'],
  ['shift_jis', 'Shift JIS'],
];

const DELIMITERS: readonly (readonly [string, string])[] = [
  FROM_THE_FILE,
  ['comma', 'comma'],
  ['semicolon', 'semicolon'],
  ['tab', 'tab'],
  ['pipe', 'pipe'],
];

/** How a file may be read, to choose from. `entered`: what was chosen before, when the page comes back. */
export function fileSettings(entered: Readonly<Record<string, string>> = {}) {
  return {
    encodings: options(ENCODINGS, entered.encoding),
    delimiters: options(DELIMITERS, entered.delimiter),
  };
}

function options(offered: readonly (readonly [string, string])[], chosen = '') {
  return offered.map(([value, text]) => ({ value, text, selected: value === chosen }));
}
