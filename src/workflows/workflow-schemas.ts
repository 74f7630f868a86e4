import type { StoredBehavior } from '../delivery/message.js';
import {
  ANY_OBJECT,
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  pageSchema,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { DEFINITION_SCHEMA, INSTANCE_STATUSES } from './definition.js';
import type { WorkflowSummary } from './definition/workflow-definitions.service.js';
import type { LogRow } from './engine/log.sql.js';
import type { InstanceRow } from './instances/instance-search.sql.js';

const instance = {
  id: INTEGER,
  workflow: TEXT,
  status: choice(...INSTANCE_STATUSES),
  step: says('The data entry step it stands at.', orNull(TEXT)),
  attributes: says('Attributes by name, identifiers by theirs (`:Email`).', ANY_OBJECT),
  createdAt: TIME,
  updatedAt: TIME,
};
type Instance = InstanceRow & { workflow: string };

const story = {
  ...instance,
  log: pageSchema(refTo('LogEntry')),
  behaviors: says('The newest 100.', itemsOf(refTo('Behavior'))),
};
type Story = Instance & { log: unknown; behaviors: unknown };

/** The responses of the routes about workflows. */
export const WORKFLOW_SCHEMAS: Readonly<Record<string, Schema>> = {
  Workflow: {
    ...DEFINITION_SCHEMA,
    required: [...(DEFINITION_SCHEMA.required as string[]), 'version'],
  },
  WorkflowList: itemsOf(
    objectOf<WorkflowSummary>({ name: TEXT, title: TEXT, entityType: TEXT, version: INTEGER }),
  ),
  Instance: objectOf<Instance>(instance),
  InstancePage: pageSchema(refTo('Instance')),
  InstanceStory: objectOf<Story>(story),
  PerformedAction: objectOf<Partial<Omit<Story, 'id'>> & Pick<Story, 'id'> & { operation: string }>(
    { ...story, operation: choice('updated', 'unchanged') },
    ...(['workflow', 'status', 'step', 'attributes', 'createdAt', 'updatedAt', 'log', 'behaviors'] as const),
  ),
  LogEntry: objectOf<LogRow>({
    id: INTEGER,
    loggedAt: TIME,
    actor: TEXT,
    batchId: orNull(INTEGER),
    line: orNull(INTEGER),
    action: TEXT,
    changes: says('[before, after] by attribute.', {
      type: 'object',
      additionalProperties: { ...arrayOf({}), minItems: 2, maxItems: 2 },
    }),
  }),
  Behavior: objectOf<StoredBehavior>({
    id: INTEGER,
    kind: choice('sendEmail', 'webhook'),
    action: TEXT,
    batchId: orNull(INTEGER),
    line: orNull(INTEGER),
    recipient: says(
      'An e-mail address or a URL; of a webhook only the host without the permission Configure.',
      TEXT,
    ),
    subject: orNull(TEXT),
    status: choice('pending', 'sending', 'sent', 'failed', 'not_sent_no_smtp'),
    attempts: INTEGER,
    lastError: orNull(TEXT),
    createdAt: TIME,
    nextAttemptAt: says('null if it will not be tried again.', orNull(TIME)),
    sentAt: orNull(TIME),
  }),
};
