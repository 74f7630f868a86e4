/** An action as others name it: by its name, in a step. */
interface NamedAction {
  step: string;
  name: unknown;
}

/**
 * The action that a `performAction` means: that of its own step, else the only one of the workflow. Names are unique
 * within a step only.
 */
export function findAction<Action extends NamedAction>(
  actions: readonly Action[],
  name: string,
  step: string,
): Action | 'unknown' | 'ambiguous' {
  const named = actions.filter((action) => action.name === name);
  const [found, another] = named;
  if (found === undefined) return 'unknown';
  return named.find((action) => action.step === step) ?? (another === undefined ? found : 'ambiguous');
}
