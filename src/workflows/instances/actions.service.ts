import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { type AuditEntry, writeAudit } from '../../auth/audit-log.sql.js';
import type { Principal } from '../../auth/principal.js';
import { findDuplicateKey, findTooDeepNesting, MAX_NESTING } from '../../formats/json/json-members.js';
import { duplicateKeyError } from '../../formats/record-reader.js';
import { PromiseCache } from '../../platform/concurrency.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { isDeadlock } from '../../platform/database/postgres-errors.js';
import { invalidBody, malformedJson, missingBody } from '../../platform/http/http.errors.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { SecretBox } from '../../platform/secret-box.js';
import type { ImportRecord, RecordOutcome } from '../../records/target.js';
import type { WorkflowDefinition } from '../definition.js';
import {
  type StoredWorkflowDefinition,
  WorkflowDefinitionsService,
} from '../definition/workflow-definitions.service.js';
import {
  type CompiledWorkflowTarget,
  compileWorkflowTarget,
  RowApplication,
} from '../engine/row-application.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN } from '../rows/action-plan.js';
import type { StepAction } from '../rows/row-reader.js';
import { columnError } from '../rows/values/value-type.js';
import {
  actionAmbiguous,
  actionNotFound,
  actionRefused,
  actionsOutsideProcesses,
} from '../workflow.errors.js';
import { InstancesService } from './instances.service.js';

/**
 * Finds the action that the URL names, first by name, then by id. Names are unique only within a step.
 * @throws DomainError 404 `action_not_found`, 409 `ambiguous_action`
 */
function chooseAction({ name, steps }: WorkflowDefinition, wanted: string): StepAction {
  const actions = steps.flatMap((step) => step.actions.map((action) => ({ ...action, step: step.name })));
  const named = actions.filter((action) => action.name === wanted);
  if (named.length > 1) throw actionAmbiguous(wanted, named);
  const chosen = named[0] ?? actions.find(({ id }) => String(id) === wanted);
  if (chosen === undefined) throw actionNotFound(name, wanted, actions);
  return chosen;
}

/** A row as the client sent it: parsed, and as text, because parsing can drop digits of a number. */
interface ActionBody {
  row: JsonObject;
  raw: string;
}

/**
 * Reads the body like a line of a batch, except that the body may span several lines.
 * @param body bytes; any other value was not sent as JSON
 * @throws DomainError 400 `missing_body`, `malformed_json`, `invalid_body`
 */
function readActionBody(body: unknown): ActionBody {
  if (!Buffer.isBuffer(body)) throw missingBody();
  if (!isUtf8(body)) throw malformedJson('it is not UTF-8');
  const raw = new TextDecoder().decode(body);
  const row = parse(raw);
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalidBody([{ pointer: '', code: 'not_an_object', message: 'the body must be a JSON object' }]);
  }
  if (findTooDeepNesting(raw, MAX_NESTING) !== -1) {
    const message = `objects and arrays are nested deeper than ${MAX_NESTING} levels`;
    throw invalidBody([{ pointer: '', code: 'nesting_too_deep', message }]);
  }
  const duplicate = findDuplicateKey(raw, row);
  if (duplicate !== null) throw invalidBody([{ pointer: '', ...duplicateKeyError(duplicate) }]);
  return { row: row as JsonObject, raw };
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw malformedJson((error as Error).message, error);
  }
}

/** How many compiled actions are kept; compiling one again takes milliseconds. */
const CAPACITY = 100;
const MOST_DEADLOCKS = 5;
/** How many log entries the response shows. */
const SHOWN_LOG = 50;

/** Performs single actions on an instance chosen by its id, as a record of an import would. */
@Injectable()
export class ActionsService {
  private readonly compiled = new PromiseCache<CompiledWorkflowTarget>(CAPACITY);

  constructor(
    private readonly database: DatabaseService,
    private readonly definitions: WorkflowDefinitionsService,
    private readonly instances: InstancesService,
    private readonly secrets: SecretBox,
  ) {}

  /**
   * Returns the instance as JSON text, with the result of the action (`operation`). A caller without ViewImports gets
   * only the id and the result.
   * @param body bytes of a JSON object with the members of a row
   * @throws DomainError 404 `workflow_not_found`, `workflow_instance_not_found` or `action_not_found`; 403
   * `workflow_not_allowed`; 400 for mistakes in the body; 409 if the instance does not allow the action
   */
  async perform(
    name: string,
    id: number,
    wanted: string,
    body: unknown,
    principal: Principal,
  ): Promise<string> {
    if (principal.importProcessIds !== null) throw actionsOutsideProcesses();
    const workflow = await this.definitions.forProcessing(name);
    await this.instances.assertExists(workflow, id);
    const action = chooseAction(workflow.definition, wanted);
    const compiled = await this.compile(workflow, action);
    const record = performableRecord(compiled, readActionBody(body));
    const entry = {
      actor: principal.id,
      action: 'instance_action_performed',
      subject: `workflow:${name}`,
      details: { instance: id, action: action.id },
    };
    const outcome = await this.apply(compiled, id, record, principal.id, entry);
    if (outcome.status === 'failed') throw actionRefused(409, outcome.error);
    if (!principal.permissions.includes('ViewImports')) {
      return JSON.stringify({ id, operation: outcome.operation });
    }
    const query = { limit: SHOWN_LOG };
    const { json } = await this.instances.instance(
      name,
      id,
      query,
      principal,
      outcome.operation ?? undefined,
    );
    return json;
  }

  private compile(
    { workflowId, version, definition }: StoredWorkflowDefinition,
    action: StepAction,
  ): Promise<CompiledWorkflowTarget> {
    const configuration = {
      kind: 'workflow',
      workflow: definition.name,
      step: action.step,
      action: action.name,
      onNoMatch: 'reject',
      onMatch: 'update',
    } as const;
    return this.compiled.get(`${workflowId}/${version}/${action.id}`, () =>
      Promise.resolve(
        compileWorkflowTarget({
          ...{ workflowId, definition, configuration, recordSchema: null },
          // The address says which instance is meant.
          identifierNeeded: 'if stated',
          secrets: this.secrets,
        }),
      ),
    );
  }

  /** Retries after a deadlock with a chunk that is processed at the same time. */
  private async apply(
    compiled: CompiledWorkflowTarget,
    chosenId: number,
    record: ImportRecord,
    actor: string,
    entry: AuditEntry,
  ): Promise<RecordOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.database.transaction(async (transaction) => {
          const application = new RowApplication({ transaction, compiled, chosenId, batchId: null, actor });
          const [outcome] = await application.apply([record]);
          if (outcome === undefined) throw new Error('the action had no outcome');
          if (outcome.status === 'succeeded') await writeAudit(transaction, entry);
          return outcome;
        });
      } catch (error) {
        if (!isDeadlock(error) || attempt === MOST_DEADLOCKS) throw error;
      }
    }
  }
}

/** @throws DomainError 400 with the code that the record of an import would get */
function performableRecord(compiled: CompiledWorkflowTarget, { row, raw }: ActionBody): ImportRecord {
  const choosing = [ACTION_ID_COLUMN, ACTION_NAME_COLUMN].find((column) => Object.hasOwn(row, column));
  if (choosing !== undefined) {
    throw actionRefused(
      400,
      columnError(choosing, 'unknown_column', 'is not allowed here: the address names the action'),
    );
  }
  const record = { line: 1, payload: raw };
  const { error } = compiled.checkRow(row, raw);
  if (error !== null) throw actionRefused(400, error);
  return record;
}
