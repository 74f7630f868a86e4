import { Body, Get, Injectable, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CurrentPrincipal, RequireEveryPermission, RequirePermission } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { validateQuery } from '../../platform/http/validation.js';
import { definitionChanges, type WorkflowDefinition } from '../../workflows/definition.js';
import { WorkflowAccess } from '../../workflows/definition/workflow-access.js';
import {
  WorkflowDefinitionsService,
  workflowSummary,
} from '../../workflows/definition/workflow-definitions.service.js';
import { BehaviorIdPipe, InstanceIdPipe, PageDto } from '../../workflows/workflows.dto.js';
import { nonBlankFields, sendFormAnswer } from '../forms.js';
import { workflowPath } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { InstancesPage, SearchInstancesDto } from './instances.page.js';
import { WorkflowFormPage } from './workflow-form.page.js';

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

@PageController('workflows')
@RequirePermission('Configure', 'ViewImports')
export class WorkflowsPagesController {
  constructor(
    private readonly workflows: WorkflowsPage,
    private readonly instances: InstancesPage,
    private readonly form: WorkflowFormPage,
  ) {}

  @Get()
  @HtmlPage()
  list(@CurrentPrincipal() principal: Principal): Promise<string> {
    return this.workflows.list(principal);
  }

  @Get('new')
  @RequirePermission('Configure')
  @HtmlPage()
  draft(@Query('as') as: unknown): Promise<string> {
    return this.form.open(null, as);
  }

  @Post()
  @RequirePermission('Configure')
  async add(
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.form.receive(null, form, principal));
  }

  @Get(':name')
  @HtmlPage()
  show(
    @Param('name') name: string,
    @Query('saved') saved: unknown,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.workflows.show(name, principal, Number(saved));
  }

  @Get(':name/edit')
  @RequirePermission('Configure')
  @HtmlPage()
  edit(@Param('name') name: string, @Query('as') as: unknown): Promise<string> {
    return this.form.open(name, as);
  }

  @Post(':name/edit')
  @RequirePermission('Configure')
  async save(
    @Param('name') name: string,
    @Body() form: unknown,
    @CurrentPrincipal() principal: Principal,
    @Res() response: Response,
  ): Promise<void> {
    sendFormAnswer(response, await this.form.receive(name, form, principal));
  }

  @Get(':name/instances')
  @HtmlPage()
  search(
    @Param('name') name: string,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.instances.list(name, validateQuery(SearchInstancesDto, nonBlankFields(query)), principal);
  }

  @Get(':name/instances/:id')
  @HtmlPage()
  instance(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Query() query: object,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string> {
    return this.instances.show(name, id, validateQuery(PageDto, query), principal);
  }

  @Post(':name/instances/:id/behaviors/:behaviorId/resend')
  @RequireEveryPermission('ManageImports', 'ViewImports')
  @Redirect(undefined, 303)
  async resend(
    @Param('name') name: string,
    @Param('id', InstanceIdPipe) id: number,
    @Param('behaviorId', BehaviorIdPipe) behaviorId: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ url: string }> {
    return { url: await this.instances.resend(name, id, behaviorId, principal) };
  }
}
