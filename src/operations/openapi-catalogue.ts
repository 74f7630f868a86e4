/** In the order of the page: what most readers come for is first. */
export const TAGS: readonly (readonly [name: string, description: string])[] = [
  ['Import queue', 'Send rows: JSON Lines in one call, or a file that awaits confirmation.'],
  ['Batches', 'See how imports went, download their records, and control, fix, retry or delete them.'],
  ['Import processes', 'The file types: what a row looks like, and what becomes of it.'],
  ['Connections', 'The databases and tables that records can be written to.'],
  ['Workflows', 'Definitions of workflows, and the instances that imports create and change.'],
  ['Webhook endpoints', 'Where other systems are told how imports ended.'],
  ['API keys', 'Who may call this API, and for what.'],
  ['Audit', 'Who did what, and when.'],
  ['People', 'Find and erase what is stored about a person.'],
  ['Health', 'Whether the service works, for load balancers and Prometheus.'],
];

/** Generated clients name their functions by these ids, which therefore never change. */
const OPERATION_IDS: Readonly<Record<string, string>> = {
  'ImportQueueController.createBatch': 'createBatch',
  'ImportQueueController.upload': 'uploadFile',
  'BatchesController.listBatches': 'listBatches',
  'BatchesController.batch': 'getBatch',
  'BatchesController.listRecords': 'listRecords',
  'BatchesController.errorGroups': 'listErrorGroups',
  'BatchesController.results': 'downloadResults',
  'BatchesController.preview': 'previewBatch',
  'BatchesController.follow': 'followBatch',
  'BatchActionsController.read': 'readUploadAgain',
  'BatchActionsController.retryFailed': 'retryFailedRecords',
  'BatchActionsController.resolve': 'resolveRecords',
  'BatchActionsController.fix': 'fixFailedRecords',
  'NotificationsController.list': 'listNotifications',
  'FileStartController.fromFile': 'createFromFile',
  'ImportProcessesController.list': 'listImportProcesses',
  'ImportProcessesController.schema': 'getRowSchema',
  'ImportProcessesController.template': 'downloadTemplate',
  'MappingsController.list': 'listMappings',
  'WorkflowsController.list': 'listWorkflows',
  'InstancesController.list': 'listInstances',
  'InstancesController.export': 'exportInstances',
  'InstancesController.instance': 'getInstance',
  'InstancesController.resend': 'resendBehavior',
  'ActionsController.perform': 'performAction',
  'WebhookEndpointsController.list': 'listWebhookEndpoints',
  'WebhookEndpointsController.rotate': 'rotateWebhookSecret',
  'WebhookEndpointsController.deliveries': 'listDeliveries',
  'WebhookEndpointsController.resendFailed': 'resendFailedDeliveries',
  'WebhookEndpointsController.resend': 'resendDelivery',
  'ApiKeysController.list': 'listApiKeys',
  'AuditController.list': 'listAuditEvents',
  'PeopleController.search': 'findPerson',
  'PeopleController.erase': 'erasePerson',
  'HealthController.live': 'getLiveness',
  'HealthController.ready': 'getReadiness',
  'MetricsController.figures': 'getMetrics',
};

/** What a controller is about, for methods whose name is a verb: `cancel` of batches is `cancelBatch`. */
const SUBJECTS: Readonly<Record<string, string>> = {
  BatchActionsController: 'Batch',
  ImportProcessesController: 'ImportProcess',
  WorkflowsController: 'Workflow',
  WebhookEndpointsController: 'WebhookEndpoint',
  ApiKeysController: 'ApiKey',
  MappingsController: 'Mapping',
};

export function operationId(controller: string, method: string): string {
  const subject = SUBJECTS[controller] ?? controller.replace(/Controller$/, '');
  return OPERATION_IDS[`${controller}.${method}`] ?? `${method}${subject}`;
}

const WORKFLOW = {
  name: 'grant-role',
  title: 'Grant role',
  entityType: 'MemberRole',
  identifiers: [
    { name: ':UniqueId', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'First Name', type: 'ShortText', maxLength: 100 },
    { name: 'Level', type: 'PickList', options: ['Associate', 'Fellow'] },
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [{ id: 11, name: 'Grant', inputs: ['First Name', 'Level'], primary: { kind: 'save' } }],
    },
  ],
};

const IMPORT_PROCESS = {
  name: 'Member import',
  description: 'Grants each member in the file a role.',
  icon: 'users',
  target: {
    kind: 'workflow',
    workflow: 'grant-role',
    step: 'Import',
    action: 'Grant',
    onNoMatch: 'create',
    onMatch: 'update',
  },
};

const HTTP_IMPORT_PROCESS = {
  name: 'Contacts to the CRM',
  description: 'Delivers each contact in the file to the CRM.',
  recordSchema: {
    type: 'object',
    properties: { email: { type: 'string', format: 'email' }, name: { type: 'string' } },
    required: ['email'],
  },
  target: {
    kind: 'http',
    url: 'https://crm.example.org/contacts',
    concurrency: 8,
    ratePerSecond: 50,
    timeoutMs: 10_000,
    maxAttempts: 5,
  },
};

const MAPPING = {
  name: 'HR export',
  reading: { dateOrder: 'dmy' },
  columns: {
    'E-mail': { field: ':Email', case: 'lower' },
    Grade: { field: 'Level', values: { F: 'Fellow', A: 'Associate' } },
    Remarks: null,
  },
};

const WEBHOOK_ENDPOINT = {
  url: 'https://hooks.example.org/imports',
  events: ['batch.completed', 'batch.completed_with_errors', 'batch.failed'],
  description: 'Tells the CRM how imports ended.',
};

/**
 * Bodies that the routes accept as they stand, on an installation where the calls were made in this order. Without them,
 * Swagger UI would offer random texts that fit the patterns.
 */
export const BODY_EXAMPLES: Readonly<Record<string, unknown>> = {
  createWorkflow: WORKFLOW,
  replaceWorkflow: { ...WORKFLOW, title: 'Grant a role' },
  replaceImportProcess: {
    ...IMPORT_PROCESS,
    description: 'Grants each member in the file a role, or changes it.',
  },
  createMapping: MAPPING,
  replaceMapping: { ...MAPPING, constants: { 'First Name': 'Ada' } },
  readUploadAgain: { emptyCells: 'clear' },
  fixFailedRecords: { replace: [{ field: 'Level', from: 'Senior', to: 'Fellow' }] },
  resolveRecords: { outcome: 'not_delivered', lines: [1] },
  performAction: { 'First Name': 'Ada', Level: 'Fellow' },
  createWebhookEndpoint: WEBHOOK_ENDPOINT,
  replaceWebhookEndpoint: {
    ...WEBHOOK_ENDPOINT,
    description: 'Tells the CRM and the ERP how imports ended.',
  },
  createApiKey: { name: 'Nightly CRM sync', permissions: ['BeginWorkflowImportProcess', 'ViewImports'] },
  erasePerson: { identifier: { name: ':Email', value: 'ada@example.org' }, mode: 'erase', dryRun: true },
};

/** The same for bodies that differ much from each other; the first one stands in the form of Swagger UI. */
export const NAMED_EXAMPLES: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  createImportProcess: {
    workflow: { summary: 'Rows become instances of a workflow', value: IMPORT_PROCESS },
    http: { summary: 'Rows are delivered to a URL', value: HTTP_IMPORT_PROCESS },
  },
};

/** The items of bodies and answers that are streams, which OpenAPI describes since 3.2. */
export const STREAM_ITEMS: Readonly<Record<string, object>> = {
  createBatch: {
    type: 'object',
    additionalProperties: true,
    description: 'A row. `getRowSchema` answers its schema.',
  },
  downloadResults: {
    type: 'object',
    required: ['line', 'status', 'operation', 'reference', 'error', 'record'],
    properties: {
      line: { type: 'integer' },
      status: { type: 'string' },
      operation: { type: ['string', 'null'] },
      reference: { type: ['string', 'null'] },
      error: { type: ['object', 'null'] },
      record: { type: 'object', additionalProperties: true },
    },
  },
  followBatch: {
    type: 'object',
    required: ['event', 'data'],
    properties: {
      event: { type: 'string', enum: ['progress', 'status'] },
      data: { type: 'string', contentMediaType: 'application/json' },
      id: { type: 'string' },
    },
  },
};
