/**
 * For tests on demand: TEST_PATIENCE=5 multiplies how long tests, hooks and `eventually` wait before they give up, for a
 * machine that other work keeps busy. No test asserts that something takes long.
 */
const PATIENCE = Number(process.env.TEST_PATIENCE ?? 1);
/** As in `test/jest.config.js`. */
const USUAL_MS = 120_000;

/** The limit is the last argument, if there is one. */
const patient = (args) => args.map((each) => (typeof each === 'number' ? each * PATIENCE : each));
const wrap = (declare) => {
  const wrapped = (...args) => declare(...patient(args));
  for (const name of ['only', 'skip']) if (declare[name]) wrapped[name] = wrap(declare[name]);
  if (declare.each) wrapped.each = (...table) => wrap(declare.each(...table));
  return wrapped;
};

if (PATIENCE !== 1) {
  for (const name of ['it', 'test', 'beforeAll', 'beforeEach', 'afterAll', 'afterEach'])
    globalThis[name] = wrap(globalThis[name]);
  let usual = USUAL_MS * PATIENCE;
  // Where `jest.setTimeout` of a file stores its limit.
  Object.defineProperty(globalThis, Symbol.for('TEST_TIMEOUT_SYMBOL'), {
    configurable: true,
    get: () => usual,
    set: (limit) => {
      usual = limit * PATIENCE;
    },
  });
}
