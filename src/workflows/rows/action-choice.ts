import type { JsonObject, JsonValue } from '../../common/json.js';
import type { RecordError } from '../../targets/target.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN, type ActionPlan } from './action-plan.js';
import { NearestName } from './nearest-name.js';
import { columnError, quoted, rowError, shown } from './row-errors.js';

/**
 * Which action a row performs: the one the row names, else that of the import process, else the step's only one.
 * A blank cell names none, so that a file may have the column for a few of its rows.
 */
export class ActionChoice {
  private readonly byName = new Map<string, ActionPlan>();
  private readonly byId = new Map<JsonValue, ActionPlan>();
  private readonly nearest: NearestName;

  constructor(
    readonly plans: readonly ActionPlan[],
    private readonly step: string,
    /** Of a row that names none; `null` where it has to. */
    readonly preset: ActionPlan | null,
  ) {
    for (const plan of plans) {
      this.byName.set(plan.action.name, plan);
      this.byId.set(plan.action.id, plan).set(String(plan.action.id), plan);
    }
    this.nearest = new NearestName(this.byName.keys());
  }

  choose(row: JsonObject): { plan: ActionPlan; error?: undefined } | { error: RecordError } {
    const id = row[ACTION_ID_COLUMN];
    const name = row[ACTION_NAME_COLUMN];
    const hasId = id !== undefined && id !== null && id !== '';
    const hasName = name !== undefined && name !== null && name !== '';
    if (!hasId && !hasName) return this.whenNoneIsNamed;
    if (hasId && hasName) return { error: CHOSEN_TWICE };
    const plan = hasId ? this.byId.get(id) : this.byName.get(name as string);
    if (plan !== undefined) return { plan };
    return { error: hasId ? this.unknownId(id) : this.unknownName(name ?? null) };
  }

  private get whenNoneIsNamed(): { plan: ActionPlan; error?: undefined } | { error: RecordError } {
    return this.preset === null ? { error: this.ambiguous() } : { plan: this.preset };
  }

  private ambiguous(): RecordError {
    if (this.plans.length === 0)
      return rowError('ambiguous_action', `the step ${quoted(this.step)} has no action`);
    const message = `the step ${quoted(this.step)} has several actions: name one of ${this.names()} in ${ACTION_NAME_COLUMN}`;
    return rowError('ambiguous_action', message);
  }

  private unknownId(id: JsonValue): RecordError {
    const ids = this.plans.map(({ action }) => `${action.id} (${quoted(action.name)})`).join(', ');
    const rule = `must be the id of an action of the step ${quoted(this.step)}: ${ids}; found ${shown(id)}`;
    return columnError(ACTION_ID_COLUMN, 'unknown_action', rule);
  }

  private unknownName(name: JsonValue): RecordError {
    const hint = typeof name === 'string' ? this.nearest.hint(name) : '';
    const rule = `must be an action of the step ${quoted(this.step)}: ${this.names()}; found ${shown(name)}.${hint}`;
    return columnError(ACTION_NAME_COLUMN, 'unknown_action', rule);
  }

  private names(): string {
    return this.plans.map(({ action }) => quoted(action.name)).join(', ');
  }
}

const CHOSEN_TWICE = rowError(
  'action_chosen_twice',
  `the row names its action twice: give ${ACTION_ID_COLUMN} or ${ACTION_NAME_COLUMN}, not both`,
);
