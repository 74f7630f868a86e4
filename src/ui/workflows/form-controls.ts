import type { Mistake } from './workflow-draft.js';

interface Choice {
  value: string;
  text: string;
  selected: boolean;
}

/** An input as the view shows it. */
export interface Control {
  control: 'text' | 'number' | 'area' | 'select' | 'check';
  id: string;
  name: string;
  label: string;
  value?: string;
  checked?: boolean;
  choices?: Choice[];
  hint?: string;
  error?: string | undefined;
  focus?: boolean;
  rows?: number;
  isSlim?: boolean;
}

/**
 * The inputs of a form by their places, such as `steps.0.name`: each has its label, its value and what is wrong with it.
 * A form is built twice: the first time finds its inputs, so that each mistake stands at the nearest one.
 */
export class FormControls {
  protected readonly shown = new Set<string>();
  protected readonly errors = new Map<string, string>();
  private readonly labels = new Map<string, string>();
  private focusPlace = '';

  /** Places the mistakes at the inputs that were built, and answers them for a summary. */
  protected settle(mistakes: readonly Mistake[], button: string) {
    this.focusPlace = this.placeToFocus(button);
    return mistakes.map(({ place, message }) => {
      const nearest = this.nearest(place);
      const earlier = this.errors.get(nearest);
      if (nearest !== '')
        this.errors.set(nearest, earlier === undefined ? message : `${earlier}; ${message}`);
      return { id: nearest === '' ? null : inputId(nearest), label: this.labels.get(nearest) ?? '', message };
    });
  }

  private nearest(place: string): string {
    for (let at = place; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      if (this.shown.has(at)) return at;
      for (const input of ['name', 'kind']) if (this.shown.has(`${at}.${input}`)) return `${at}.${input}`;
    }
    return '';
  }

  /** The first input of the part that was added. */
  private placeToFocus(button: string): string {
    const [, path] = /^add:([\w.]+)/.exec(button) ?? [];
    if (path === undefined) return '';
    const added = [...this.shown].filter((place) => place.startsWith(`${path}.`));
    const last = Math.max(-1, ...added.map((place) => Number(place.slice(path.length + 1).split('.')[0])));
    return added.find((place) => place.startsWith(`${path}.${last}.`)) ?? '';
  }

  protected control(
    place: string,
    label: string,
    { value = '', control = 'text', ...more }: Partial<Control> = {},
  ): Control {
    this.shown.add(place);
    this.labels.set(place, label);
    const focus = place === this.focusPlace;
    return {
      control,
      id: inputId(place),
      name: place,
      label,
      value,
      error: this.errors.get(place),
      focus,
      ...more,
    };
  }

  protected choice(
    place: string,
    label: string,
    chosen: string,
    choices: readonly [string, string][],
    more = {},
  ): Control {
    const isKnown = choices.some(([value]) => value === chosen);
    const all: readonly [string, string][] = isKnown ? choices : [...choices, [chosen, chosen]];
    return this.control(place, label, {
      control: 'select',
      choices: all.map(([value, name]) => ({ value, text: name, selected: value === chosen })),
      ...more,
    });
  }

  protected check(place: string, label: string, checked: boolean): Control {
    return this.control(place, label, { control: 'check', value: 'yes', checked });
  }
}

/** The id of the input at a place. */
export const inputId = (place: string) => `f-${place.replaceAll('.', '-')}`;
