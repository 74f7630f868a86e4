import { Injectable } from '@nestjs/common';
import { IsString } from 'class-validator';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { DomainError } from '../../platform/domain-error.js';
import type { WorkflowDefinition } from '../../workflows/definition.js';
import { definitionChanges } from '../../workflows/definition/field-edits.js';
import { WorkflowAccess } from '../../workflows/definition/workflow-access.js';
import {
  type StoredWorkflowDefinition,
  WorkflowDefinitionsService,
  workflowResource,
  workflowSummary,
} from '../../workflows/definition/workflow-definitions.service.js';
import type { FormAnswer } from '../forms.js';
import { withQuery, workflowPath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { type PlacedProblem, placedProblems, syntaxProblem } from './json-places.js';

/** The form of the editor of a workflow. */
export class WorkflowSourceDto {
  @IsString({ message: 'source must be the JSON of a workflow' })
  source!: string;
}

/** The first content of the editor of a new workflow: a definition that can be saved unchanged. */
const WORKFLOW_SKELETON = `{
  "name": "my-workflow",
  "title": "My Workflow",
  "entityType": "Member",
  "identifiers": [
    { "name": ":Email", "unique": true, "format": "email", "caseInsensitive": true }
  ],
  "attributes": [
    { "name": "First Name", "type": "ShortText", "maxLength": 100 },
    { "name": "Joined On", "type": "Date" }
  ],
  "steps": [
    {
      "name": "Import",
      "kind": "dataImport",
      "actions": [
        {
          "id": 1,
          "name": "Save",
          "inputs": ["First Name", "Joined On"],
          "required": ["First Name"],
          "primary": { "kind": "save" }
        }
      ]
    }
  ]
}
`;

/** Versions that the page lists. */
const VERSIONS = 20;

interface Draft {
  source: string;
  problems: PlacedProblem[];
  /** An error without a place in the text. */
  refusal?: string;
  /** The version that was just saved. */
  savedVersion?: number | undefined;
  versions?: object[];
  /** The file types that use the workflow. */
  usedBy?: string;
}

/** Workflow definitions: the list, one definition to read, and the editor of its JSON. */
@Injectable()
export class WorkflowsPage {
  constructor(
    private readonly workflows: WorkflowDefinitionsService,
    private readonly access: WorkflowAccess,
    private readonly creators: CreatorNames,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  async list(principal: Principal): Promise<string> {
    const reached = await this.access.reachable(principal, await this.workflows.list());
    const workflows = reached.map((stored) => ({
      ...workflowSummary(stored),
      path: workflowPath(stored.definition.name),
      attributes: stored.definition.attributes.length,
      actions: stored.definition.steps.flatMap(({ actions }) => actions).length,
    }));
    return this.pages.render('workflows/list', {
      title: text('workflows.title'),
      section: 'workflows',
      workflows,
      mayConfigure: mayConfigure(principal),
    });
  }

  /** @param saved the version that was just saved, if any */
  async show(name: string, principal: Principal, saved?: number): Promise<string> {
    const stored = await this.workflows.current(name);
    await this.access.assertReaches(principal, name);
    const source = `${JSON.stringify(workflowResource(stored), null, 2)}\n`;
    return this.definition(name, stored.definition, principal, {
      source,
      problems: [],
      savedVersion: saved === stored.version ? saved : undefined,
      ...(mayConfigure(principal) && (await this.history(name))),
    });
  }

  /** The versions, what each changed, and the file types that use the workflow. */
  private async history(name: string) {
    const versions = await this.workflows.history(name, VERSIONS + 1);
    const nameOf = await this.creators.of(versions.map(({ createdBy }) => createdBy));
    const users = (await this.importProcesses.list()).filter(({ target }) => target.workflow === name);
    return {
      usedBy: users.map((process) => process.name).join(', '),
      versions: versions.slice(0, VERSIONS).map(({ version, definition, createdBy, createdAt }, index) => ({
        version,
        by: nameOf(createdBy),
        at: createdAt.toISOString(),
        changes: changesText(versions[index + 1]?.definition, definition),
      })),
    };
  }

  draft(source = WORKFLOW_SKELETON): string {
    return this.create({ source, problems: [] });
  }

  async add(source: string, principal: Principal): Promise<FormAnswer> {
    return this.attempt(
      source,
      (parsed) => this.workflows.create(parsed, principal.id),
      (draft) => Promise.resolve(this.create(draft)),
    );
  }

  async save(name: string, source: string, principal: Principal): Promise<FormAnswer> {
    const { definition } = await this.workflows.current(name);
    return this.attempt(
      source,
      (parsed) => this.workflows.replace(name, parsed, principal.id),
      (draft) => Promise.resolve(this.definition(name, definition, principal, draft)),
    );
  }

  private async attempt(
    source: string,
    store: (parsed: unknown) => Promise<StoredWorkflowDefinition>,
    refuse: (draft: Draft) => Promise<string>,
  ): Promise<FormAnswer> {
    try {
      const { definition, version } = await store(JSON.parse(source));
      return { path: withQuery(workflowPath(definition.name), { saved: version }) };
    } catch (error) {
      if (error instanceof SyntaxError) {
        return { status: 400, html: await refuse({ source, problems: [syntaxProblem(source)] }) };
      }
      if (!(error instanceof DomainError)) throw error;
      const problems = placedProblems(source, error.options.errors ?? []);
      const refusal = problems.length === 0 ? error.message : undefined;
      return { status: error.status, html: await refuse({ source, problems, refusal }) };
    }
  }

  private create(draft: Draft): string {
    return this.pages.render('workflows/new', {
      title: text('workflow.newTitle'),
      section: 'workflows',
      ...draft,
    });
  }

  private definition(
    name: string,
    { title, entityType, identifiers, attributes, steps }: WorkflowDefinition,
    principal: Principal,
    draft: Draft,
  ): string {
    return this.pages.render('workflows/workflow', {
      section: 'workflows',
      name,
      ...{ title, entityType, identifiers, attributes, steps },
      path: workflowPath(name),
      mayConfigure: mayConfigure(principal),
      ...draft,
    });
  }
}

function changesText(before: WorkflowDefinition | undefined, after: WorkflowDefinition): string {
  if (before === undefined) return text('workflow.firstVersion');
  const { added, removed, changed } = definitionChanges(before, after);
  const texts = [
    ...(added.length > 0 ? [text('workflow.added', { names: added.join(', ') })] : []),
    ...(removed.length > 0 ? [text('workflow.removed', { names: removed.join(', ') })] : []),
    ...(changed.length > 0 ? [text('workflow.changed', { names: changed.join(', ') })] : []),
  ];
  return texts.join('; ') || text('workflow.noFieldChanges');
}

const mayConfigure = ({ permissions }: Principal) => permissions.includes('Configure');
