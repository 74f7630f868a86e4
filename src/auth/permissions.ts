export const PERMISSIONS = [
  'BeginWorkflowImportProcess',
  'ViewImports',
  'ManageImports',
  'Configure',
] as const;

/**
 * BeginWorkflowImportProcess: start batches and list active import processes; ViewImports: read batches;
 * ManageImports: cancel, pause, resume, retry, confirm; Configure: import processes, workflows, keys.
 */
export type Permission = (typeof PERMISSIONS)[number];
