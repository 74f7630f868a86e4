/** See `patience.cjs`. */
const PATIENCE = Number(process.env.TEST_PATIENCE ?? 1);

/** Polls until the probe answers something truthy; fails with the last answer after the bound. */
export async function eventually<T>(
  probe: () => Promise<T> | T,
  what: string,
  boundMs = 60_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + boundMs * PATIENCE;
  let last: T | undefined;
  while (performance.now() < end) {
    last = await probe();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited ${boundMs} ms for ${what}; last seen: ${JSON.stringify(last)}`);
}
