import { nearestName } from '../../common/nearest-name.js';

/** Comparing with more would hold up the intake, which reads every line on one thread. */
const MOST_COMPARED = 300;
const LONGEST_REMEMBERED = 100;
const MOST_REMEMBERED = 500;

/**
 * Says which known name a mistyped one was meant to be. Mistakes repeat (a wrong column stands in every row of a
 * file), so answers are remembered, up to a bound.
 */
export class NearestName {
  private readonly hints = new Map<string, string>();
  private readonly known: readonly string[];

  constructor(names: Iterable<string>) {
    const known = [...names];
    this.known = known.length > MOST_COMPARED ? [] : known;
  }

  /** ` Did you mean "…"?`, or nothing. */
  hint(name: string): string {
    const remembered = this.hints.get(name);
    if (remembered !== undefined) return remembered;
    const nearest = nearestName(name, this.known);
    const hint = nearest === undefined ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
    if (this.hints.size < MOST_REMEMBERED && name.length <= LONGEST_REMEMBERED) this.hints.set(name, hint);
    return hint;
  }
}
