/** U+0000 and halves of surrogate pairs that stand alone: a text column holds neither. */
const NOT_STORABLE = /[\0\p{Surrogate}]/gu;

/**
 * A message with what PostgreSQL cannot hold replaced by U+FFFD. For what we say about records only: what a record
 * itself contains is never altered.
 */
export function storableText(text: string): string {
  return text.replace(NOT_STORABLE, '\ufffd');
}
