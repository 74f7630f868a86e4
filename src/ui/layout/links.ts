/** The address of the page of an import. */
export const importPath = (id: number) => `/imports/${id}`;

/** The address of the page of a record. */
export const recordPath = (importId: number, line: number) => `${importPath(importId)}/records/${line}`;

/** The address of the page of a workflow. */
export const workflowPath = (workflow: string) => `/workflows/${encodeURIComponent(workflow)}`;

/** The address of the page of an instance. */
export const instancePath = (workflow: string, id: number | string) =>
  `${workflowPath(workflow)}/instances/${encodeURIComponent(id)}`;

/** Where a template of the rows of a file type is downloaded; the query names its format. */
export const templatePath = (importProcessId: number) =>
  `/API/WorkflowImportQueue/ImportProcesses/${importProcessId}/Template`;

/** The same address with a query; values that are missing are left out. */
export function withQuery(path: string, values: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** A command that a person can copy to try an API key: it imports a file if the key may do so. */
export function curlLine(
  publicUrl: string,
  key: string,
  importProcessId: number,
  permissions: readonly string[] = ['BeginWorkflowImportProcess'],
): string {
  const authorization = `-H 'Authorization: apikey ${key}'`;
  const api = `${publicUrl}/API/WorkflowImportQueue`;
  if (permissions.includes('BeginWorkflowImportProcess')) {
    const query = `fileName=members.jsonl&importProcessId=${importProcessId}`;
    return `curl ${authorization} --data-binary @members.jsonl '${api}/CreateBatch?${query}'`;
  }
  return `curl ${authorization} '${api}/${permissions.includes('Configure') ? 'ImportProcesses' : 'Batches'}'`;
}
