import { Injectable } from '@nestjs/common';
import { WebhookClient } from '../../delivery/webhook-client.js';
import { BoundedMap } from '../../platform/concurrency.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { selectInstallationId } from '../../platform/database/installation.js';
import { compileJsonSchema, jsonSchemaProblems } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { SecretBox } from '../../platform/secret-box.js';
import { SharedLimits, type SharedPace, type SharedSlots } from '../../platform/shared-limits.js';
import type {
  ColumnKind,
  ConfigurationProblem,
  DeliveryContext,
  ImportRecord,
  PinnedConfiguration,
  RecordTarget,
  RowColumn,
  TargetConfiguration,
} from '../../records/target.js';
import {
  isSealedConfiguration,
  openConfiguration,
  readHttpConfiguration,
  restoreConfiguration,
  sealConfiguration,
  shownConfiguration,
} from './http-configuration.js';
import { type CompiledHttp, HttpDelivery, type HttpTargetTimes, parcelsOf } from './http-delivery.js';
import { Receiver } from './receiver.js';

const TIMES: HttpTargetTimes = {
  backOffMs: 1_000,
  longestBackOffMs: 60_000,
  longestWaitMs: 3_600_000,
};

const REMEMBERED = 1_000;
/**
 * POSTs records to a URL, signed by Standard Webhooks. A record is delivered at least once, under one key; or at most once
 * if the receiver does not take keys.
 */
@Injectable()
export class HttpTarget implements RecordTarget<CompiledHttp> {
  readonly kind = 'http';
  private readonly receivers = new BoundedMap<string, Receiver>(REMEMBERED);
  private readonly slots: SharedSlots;
  private readonly pace: SharedPace;
  private installation: Promise<string> | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly client: WebhookClient,
    private readonly secrets: SecretBox,
    limits: SharedLimits,
  ) {
    this.slots = limits.slotsOf('http-target', 1);
    this.pace = limits.paceOf('http-target');
  }

  seal(target: TargetConfiguration): TargetConfiguration {
    return sealConfiguration(target, this.secrets);
  }

  shown(target: TargetConfiguration): TargetConfiguration {
    return shownConfiguration(target, this.secrets);
  }

  opened(stored: TargetConfiguration): TargetConfiguration {
    return openConfiguration(stored, this.secrets);
  }

  restored(sent: TargetConfiguration, stored: TargetConfiguration): TargetConfiguration {
    return restoreConfiguration(sent, stored, this.secrets);
  }

  isSealed(stored: TargetConfiguration): boolean {
    return isSealedConfiguration(stored, this.secrets);
  }

  validate(target: TargetConfiguration, recordSchema: JsonObject | null): Promise<ConfigurationProblem[]> {
    const problems: ConfigurationProblem[] = [];
    readHttpConfiguration(openConfiguration(target, this.secrets), problems);
    for (const { pointer, code, message } of recordSchema === null ? [] : jsonSchemaProblems(recordSchema)) {
      problems.push({
        pointer: `/recordSchema${pointer}`,
        code,
        message: `recordSchema${pointer} ${message}`,
      });
    }
    return Promise.resolve(problems);
  }

  pin(): Promise<{ workflowVersion: null }> {
    return Promise.resolve({ workflowVersion: null });
  }

  compile({ target, recordSchema }: PinnedConfiguration): Promise<CompiledHttp> {
    const problems: ConfigurationProblem[] = [];
    const configuration = readHttpConfiguration(openConfiguration(target, this.secrets), problems);
    if (configuration === null) throw new Error(problems.map(({ message }) => message).join('; '));
    const violation = recordSchema === null ? null : compileJsonSchema(recordSchema);
    return Promise.resolve({
      configuration,
      columns: columnsOf(recordSchema),
      schema: recordSchema ?? { type: 'object' },
      checkRow: (row) => {
        const found = violation?.(row) ?? null;
        if (found === null) return { error: null, orderingKeys: [] };
        const { pointer, message } = found;
        return { error: { code: 'invalid_value', message, pointer }, orderingKeys: [] };
      },
    });
  }

  async deliver(records: readonly ImportRecord[], context: DeliveryContext<CompiledHttp>): Promise<void> {
    if (records.length === 0) return;
    const { compiled, importProcessId, ordered } = context;
    const receiver = this.receiverOf(importProcessId, compiled.configuration.concurrency);
    const parcels = parcelsOf(records, context, await this.installationId());
    const delivery = new HttpDelivery(this.client, this.slots, this.pace, TIMES, receiver, context);
    receiver.begin();
    try {
      if (ordered) for (const parcel of parcels) await delivery.deliver(parcel);
      else await Promise.allSettled(parcels.map((parcel) => delivery.deliver(parcel)));
    } finally {
      receiver.end();
    }
    delivery.throwFault();
  }

  private receiverOf(importProcessId: number, concurrency: number): Receiver {
    const id = `${importProcessId}/${concurrency}`;
    const known = this.receivers.get(id);
    if (known !== undefined) return known;
    const receiver = new Receiver(concurrency);
    this.receivers.set(id, receiver);
    return receiver;
  }

  private installationId(): Promise<string> {
    this.installation ??= selectInstallationId(this.database).catch((error: unknown) => {
      this.installation = undefined;
      throw error;
    });
    return this.installation;
  }
}

/** The columns that the schema of a row names, for templates and uploads. */
function columnsOf(schema: JsonObject | null): RowColumn[] {
  const properties = (schema?.properties ?? {}) as Record<string, JsonObject>;
  const required = Array.isArray(schema?.required) ? schema.required : [];
  return Object.entries(properties).map(([name, rules]) => {
    const kind = kindOf(rules);
    const options = Array.isArray(rules.enum)
      ? rules.enum.filter((each) => typeof each === 'string')
      : undefined;
    const [example] = Array.isArray(rules.examples) ? rules.examples : (options ?? []);
    return {
      name,
      required: required.includes(name),
      ...(kind !== undefined && { kind }),
      ...((kind === 'number' || kind === 'boolean') && { literal: true as const }),
      ...(typesOf(rules).includes('null') && { nullable: true as const }),
      ...(options !== undefined && { options }),
      description: typeof rules.description === 'string' ? rules.description : '',
      example: typeof example === 'string' ? example : example === undefined ? '' : JSON.stringify(example),
    };
  });
}

/** The types that a schema names; without `type`, those of the values that it lists. */
function typesOf({ type, enum: options, const: only }: JsonObject): unknown[] {
  if (type !== undefined) return [type].flat();
  return [options ?? only].flat().map((value) => (value === null ? 'null' : typeof value));
}

function kindOf(rules: JsonObject): ColumnKind | undefined {
  const { format, enum: options } = rules;
  // A column of a file may also accept the text of its type.
  const types = typesOf(rules);
  if (types.includes('number') || types.includes('integer')) return 'number';
  if (types.includes('boolean')) return 'boolean';
  if (Array.isArray(options)) return 'option';
  if (format === 'date') return 'date';
  if (format === 'date-time') return 'dateTime';
  if (format === 'email') return 'email';
  return format === 'uri' ? 'url' : undefined;
}
