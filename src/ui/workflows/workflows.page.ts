import { Injectable } from '@nestjs/common';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import type { WorkflowDefinition } from '../../workflows/definition.js';
import { definitionChanges } from '../../workflows/definition/definition-changes.js';
import { WorkflowAccess } from '../../workflows/definition/workflow-access.js';
import {
  WorkflowDefinitionsService,
  workflowSummary,
} from '../../workflows/definition/workflow-definitions.service.js';
import { workflowPath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

/** Versions that the page lists. */
const VERSIONS = 20;

/** Workflow definitions: the list, and one definition to read, with its versions. */
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
    const { title, entityType, identifiers, attributes, steps } = stored.definition;
    return this.pages.render('workflows/workflow', {
      section: 'workflows',
      name,
      ...{ title, entityType, identifiers, attributes, steps },
      path: workflowPath(name),
      mayConfigure: mayConfigure(principal),
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
}

/** The changes of a version in words: "added Team; changed Level (options), Import › Grant (rules)". */
function changesText(before: WorkflowDefinition | undefined, after: WorkflowDefinition): string {
  if (before === undefined) return text('workflow.firstVersion');
  const { added, removed, changed } = definitionChanges(before, after);
  const shown = (name: string) => name.replace(/ ›$/, '');
  const inParts = changed.map(({ name, members }) =>
    name === '' ? members.join(', ') : `${shown(name)} (${members.join(', ')})`,
  );
  const texts = [
    ...(added.length > 0 ? [text('workflow.added', { names: added.map(shown).join(', ') })] : []),
    ...(removed.length > 0 ? [text('workflow.removed', { names: removed.map(shown).join(', ') })] : []),
    ...(inParts.length > 0 ? [text('workflow.changed', { names: inParts.join(', ') })] : []),
  ];
  return texts.join('; ') || text('workflow.noFieldChanges');
}

const mayConfigure = ({ permissions }: Principal) => permissions.includes('Configure');
