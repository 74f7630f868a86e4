import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { Attributes } from './instance-state.js';

/** Enough names for both ways to find one, and some that objects treat specially. */
const names = [
  '__proto__',
  'constructor',
  '1',
  ...Array.from({ length: 60 }, (_, index) => `Field ${index}`),
];

const step = fc.tuple(
  fc.constantFrom('set', 'delete', 'add' as const),
  fc.constantFrom(...names),
  fc.integer(),
);

const entriesOf = (attributes: Attributes) => {
  const entries: [string, JsonValue][] = [];
  attributes.forEach((value, name) => entries.push([name, value]));
  return entries;
};

describe('the attributes of an instance', () => {
  /** Break it: in `Attributes.delete`, keep `places`; in `add`, do not note the place. */
  it('are those of a Map, in the same order, whatever is done to them', () => {
    fc.assert(
      fc.property(fc.subarray(names), fc.array(step, { maxLength: 200, size: 'max' }), (there, steps) => {
        const stored: JsonObject = Object.fromEntries(there.map((name, index) => [name, index]));
        const attributes = new Attributes(stored);
        const model = new Map<string, JsonValue>(Object.entries(stored));
        for (const [kind, name, value] of steps) {
          if (kind === 'delete') {
            attributes.delete(name);
            model.delete(name);
          } else if (kind === 'set' || model.has(name)) {
            attributes.set(name, value);
            model.set(name, value);
          } else {
            attributes.add(name, value);
            model.set(name, value);
          }
          expect(attributes.get(name)).toBe(model.get(name));
        }
        expect(entriesOf(attributes)).toEqual([...model]);
        expect(attributes.size).toBe(model.size);
        for (const name of names) expect(attributes.get(name)).toBe(model.get(name));
      }),
    );
  });
});
