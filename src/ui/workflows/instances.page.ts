import { Injectable } from '@nestjs/common';
import { IsIn, IsOptional, Length, MaxLength } from 'class-validator';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import type { StoredBehavior } from '../../delivery/message.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { INSTANCE_STATUSES, type InstanceStatus } from '../../workflows/definition.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { InstancesService } from '../../workflows/instances/instances.service.js';
import type { PageDto } from '../../workflows/workflows.dto.js';
import { instancePath, withQuery, workflowPath } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import { instanceLabel, mailLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';

/** The query of the page of a workflow's instances. */
export class SearchInstancesDto {
  /** Name of an identifier; has an effect only together with a value. */
  @IsOptional()
  @Length(1, 400, { message: 'by must be the name of an identifier' })
  by?: string;

  @IsOptional()
  @Length(1, 1500, { message: 'value must have 1 to 1,500 characters' })
  value?: string;

  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}

interface ShownInstance {
  id: number;
  status: InstanceStatus;
  step: string | null;
  createdAt: string;
  updatedAt: string;
}

interface ShownLogEntry {
  id: number;
  loggedAt: string;
  actor: string;
  batchId: number | null;
  line: number | null;
  action: string;
}

const INSTANCES = 50;
const COLUMNS = 5;

/** The instances of a workflow, and one of them with its log, its mails and its webhooks. */
@Injectable()
export class InstancesPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly instances: InstancesService,
    private readonly pages: PageRenderer,
  ) {}

  async list(name: string, query: SearchInstancesDto, principal: Principal): Promise<string> {
    const { definition } = await this.workflows.current(name);
    const { by, value, status, after } = query;
    const identifier = by !== undefined && value !== undefined ? `${by}:${value}` : undefined;
    const { json, nextCursor } = await this.instances.page(
      name,
      { limit: INSTANCES, identifier, status, after },
      principal,
    );
    const path = `${workflowPath(name)}/instances`;
    const columns = [...definition.identifiers, ...definition.attributes].map((column) => column.name);
    const shown = columns.slice(0, COLUMNS);
    return this.pages.render('workflows/instances', {
      title: text('instances.title', { title: definition.title }),
      section: 'workflows',
      workflow: { title: definition.title, path: workflowPath(name) },
      path,
      columns: shown,
      instances: itemsOf(json).map((item) => {
        const members = jsonMembers(item);
        const attributes = jsonMembers(members.get('attributes') ?? '{}');
        const { id, status: is, step, updatedAt } = JSON.parse(item) as ShownInstance;
        return {
          ...{ id, step, updatedAt },
          path: `${path}/${id}`,
          label: instanceLabel(is),
          cells: shown.map((column) => ({ column, text: cellText(attributes.get(column)) })),
        };
      }),
      identifiers: definition.identifiers.map(({ name: own }) => ({ name: own, selected: own === by })),
      value,
      statuses: INSTANCE_STATUSES.map((own) => ({
        value: own,
        text: instanceLabel(own).text,
        selected: own === status,
      })),
      filtered: identifier !== undefined || status !== undefined,
      nextPath: nextCursor === null ? null : withQuery(path, { ...query, after: nextCursor }),
      exports: ['csv', 'jsonl'].map((format) => ({
        text: format.toUpperCase(),
        path: `/API${workflowPath(name).replace('/workflows', '/Workflows')}/Instances/Export?format=${format}`,
      })),
    });
  }

  async show(name: string, id: number, query: PageDto, principal: Principal): Promise<string> {
    const { definition } = await this.workflows.current(name);
    const { json, nextCursor } = await this.instances.instance(name, id, query, principal);
    const members = jsonMembers(json);
    const attributes = jsonMembers(members.get('attributes') ?? '{}');
    const instance = JSON.parse(json) as ShownInstance & { behaviors: { items: StoredBehavior[] } };
    const entries = itemsOf(members.get('log') ?? '{}').map((item) => ({
      ...(JSON.parse(item) as ShownLogEntry),
      changes: changesOf(jsonMembers(item).get('changes') ?? '{}'),
    }));
    const nameOf = await this.creators.of(entries.map(({ actor }) => actor));
    const path = instancePath(name, id);
    const known = [...definition.identifiers, ...definition.attributes].map((column) => column.name);
    return this.pages.render('workflows/instance', {
      title: `${definition.entityType} ${id}`,
      section: 'workflows',
      workflow: { title: definition.title, path: workflowPath(name) },
      instance,
      label: instanceLabel(instance.status),
      attributes: [...new Set([...known, ...attributes.keys()])].map((column) => ({
        name: column,
        value: cellText(attributes.get(column)),
      })),
      log: entries.map((entry) => ({ ...entry, actor: nameOf(entry.actor) })),
      behaviors: instance.behaviors.items.map((behavior) => ({
        ...behavior,
        label: mailLabel(behavior.status),
        resendId: `resend-${behavior.id}`,
        resendPath: principal.permissions.includes('ManageImports')
          ? `${path}/behaviors/${behavior.id}/resend`
          : null,
      })),
      nextPath: nextCursor === null ? null : withQuery(path, { after: nextCursor }),
    });
  }

  async resend(name: string, id: number, behaviorId: number, principal: Principal): Promise<string> {
    await this.instances.resend(name, id, behaviorId, principal);
    return instancePath(name, id);
  }
}

function itemsOf(page: string): string[] {
  const { items = [] } = JSON.parse(page) as { items?: unknown[] };
  return items.map((item) => JSON.stringify(item));
}

function changesOf(json: string) {
  return Object.entries(JSON.parse(json) as Record<string, [unknown, unknown]>).map(
    ([name, [before, after]]) => ({ name, before: valueText(before), after: valueText(after) }),
  );
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return text('common.nothing');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
