/** One server-sent event. The data is one line of JSON, which has no line end of its own. */
export function serverSentEvent(event: string, data: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Keeps connections from being taken for dead; clients ignore it. */
export const HEARTBEAT = ': still here\n\n';
