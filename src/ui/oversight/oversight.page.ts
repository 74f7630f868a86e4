import { Body, Get, Injectable, Param, Post, Query, Redirect, Res } from '@nestjs/common';
import type { Response } from 'express';
import { assertUnlimited, CurrentPrincipal, RequirePermission, RequirePerson } from '../../auth/access.js';
import { type AuditEventResource, AuditTrail, ListAuditDto } from '../../auth/audit-trail.js';
import type { Principal } from '../../auth/principal.js';
import { OverviewService } from '../../import-queue/overview.service.js';
import {
  ErasePersonDto,
  type ErasureReport,
  PeopleService,
  personIdentifier,
  SearchPeopleDto,
} from '../../people/people.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { validateForm, validateQuery } from '../../platform/http/validation.js';
import {
  answerForm,
  fieldErrors,
  type FieldErrors,
  type FormAnswer,
  nonBlankFields,
  sendFormAnswer,
} from '../forms.js';
import { importPath, instancePath, withQuery, workflowPath } from '../layout/navigation.js';
import { HtmlPage, PageController, PageRenderer } from '../page-renderer.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { bytesText, OverviewPage, ShowOverviewDto } from './overview.page.js';

const PATH = '/audit';

/** Who did what, with filters and a download. */
@Injectable()
export class AuditPage {
  constructor(
    private readonly trail: AuditTrail,
    private readonly pages: PageRenderer,
  ) {}

  async render(query: ListAuditDto): Promise<string> {
    const { actor, action, from, to } = query;
    const { items, nextCursor } = await this.trail.page(query);
    const filter = { actor, action, from, to };
    return this.pages.render('oversight/audit', {
      title: text('audit.title'),
      section: 'audit',
      filter,
      filtered: Object.values({ ...filter, after: query.after }).some((value) => value !== undefined),
      actions: (await this.trail.actions()).map((value) => ({
        value,
        text: wordsOf(value),
        selected: value === action,
      })),
      events: items.map(eventView),
      exportPath: withQuery('/API/Audit', { ...filter, format: 'jsonl' }),
      nextPath: nextCursor === null ? null : withQuery(PATH, { ...filter, after: nextCursor }),
    });
  }
}

function eventView(event: AuditEventResource) {
  const { at, actorName, action, object, count, outcome, clientAddress, requestId } = event;
  return {
    ...{ at, actorName, object, clientAddress, requestId },
    action: wordsOf(action),
    objectPath: pathOf(event),
    label: outcomeLabel(outcome, count),
    details: Object.entries(event.details).map(([name, value]) => ({
      name,
      value: typeof value === 'string' ? value : JSON.stringify(value),
    })),
  };
}

/** `batch_status_changed` as "Batch status changed". */
function wordsOf(action: string): string {
  const words = action.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function outcomeLabel(outcome: AuditEventResource['outcome'], count: number): StatusLabel {
  if (outcome === 'done') return { text: text('audit.done'), tone: 'good' };
  return { text: text('audit.refused', { count }), tone: 'bad' };
}

function pathOf({ objectKind, objectId }: AuditEventResource): string | null {
  if (objectId === null) return null;
  switch (objectKind) {
    case 'batch':
      return importPath(Number(objectId));
    case 'workflow':
      return workflowPath(objectId);
    case 'import-process':
      return `/file-types/${objectId}`;
    case 'user':
      return `/users/${objectId}`;
    default:
      return null;
  }
}

/** Searches a person, shows where the person is, and erases. */
@Injectable()
export class PeoplePage {
  constructor(
    private readonly people: PeopleService,
    private readonly pages: PageRenderer,
  ) {}

  /** The search is a form that is sent, so that the value stands in no address and no log. */
  form(entered: unknown = '', errors: FieldErrors = {}): string {
    return this.render({ entered, errors });
  }

  search(form: unknown, principal: Principal): Promise<FormAnswer> {
    const { identifier: entered } = (form ?? {}) as { identifier?: unknown };
    return answerForm(
      async () => {
        const { identifier } = validateQuery(SearchPeopleDto, { identifier: entered });
        const report = await this.people.search(personIdentifier(identifier), principal);
        return { status: 200, html: this.render({ entered: identifier, report }) };
      },
      (error) => this.form(entered, fieldErrors(error)),
    );
  }

  /** The button of the report names the identifier again, so that what is erased is what was shown. */
  erase(form: unknown, principal: Principal): Promise<FormAnswer> {
    const { name, value, mode } = (form ?? {}) as Record<string, unknown>;
    return answerForm(
      async () => {
        const dto = validateForm(ErasePersonDto, { identifier: { name, value }, mode });
        const report = await this.people.erase(dto.identifier, dto.mode, principal);
        return {
          status: 200,
          html: this.render({ entered: `${dto.identifier.name}:${dto.identifier.value}`, report }),
        };
      },
      (error) => this.form('', fieldErrors(error)),
    );
  }

  private render(shown: { entered: unknown; errors?: FieldErrors; report?: ErasureReport }): string {
    const { entered, errors = {}, report } = shown;
    return this.pages.render('oversight/people', {
      title: text('people.title'),
      section: 'people',
      entered,
      errors,
      report: report && reportView(report),
    });
  }
}

function reportView(report: ErasureReport) {
  const { identifier, mode, found, complete } = report;
  return {
    ...report,
    isSearch: mode === null,
    mayErase: mode === null && found > 0,
    summary: summaryOf(report),
    tone: complete || mode === null ? 'info' : 'warning',
    instances: report.instances.map(({ workflow, id }) => ({
      text: `${workflow} ${id}`,
      path: mode === 'erase' ? null : instancePath(workflow, id),
    })),
    openBatches: report.openBatches.map(({ WORKFLOW_IMPORT_QUEUE_BATCH_ID: id }) => ({
      text: String(id),
      path: importPath(id),
    })),
    buttons: (['erase', 'anonymize'] as const).map((way) => ({
      id: `confirm-${way}`,
      way,
      text: text(`people.${way}.text`),
      question: text(`people.${way}.question`, { value: identifier.value }),
      explanation: text(`people.${way}.explanation`),
    })),
  };
}

function summaryOf({ identifier: { value }, mode, found, complete }: ErasureReport): string {
  if (mode === null) return text('people.found', { value, count: found });
  if (!complete) return text('people.incomplete', { value });
  return text(mode === 'erase' ? 'people.erased' : 'people.anonymized', { value });
}

/** URLs with a password: only the place is shown. */
const URLS: ReadonlySet<keyof AppConfig> = new Set([
  'databaseUrl',
  'auditDatabaseUrl',
  'redisUrl',
  'smtpUrl',
]);
/** Whether they are set is all that is shown. */
const SECRETS: ReadonlySet<keyof AppConfig> = new Set([
  'bootstrapApiKey',
  'bootstrapAdminPassword',
  'sessionSecret',
  'secretKeys',
]);
const UNLIMITED_AT_ZERO = /^(retentionDays|auditRetentionDays|unconfirmedHours)$/;

/** The configuration of this process, and the state of the installation. */
@Injectable()
export class SettingsPage {
  constructor(
    private readonly config: AppConfig,
    private readonly overview: OverviewService,
    private readonly trail: AuditTrail,
    private readonly pages: PageRenderer,
  ) {}

  async render(): Promise<string> {
    const { program, database } = await this.overview.installation();
    const { items } = await this.trail.page({ action: 'doctor_ran', limit: 1, format: 'json' });
    return this.pages.render('oversight/settings', {
      title: text('settings.title'),
      section: 'settings',
      facts: [
        { name: text('settings.version'), value: program },
        { name: 'Node.js', value: process.versions.node },
        { name: 'PostgreSQL', value: database.version },
        { name: text('settings.migration'), value: database.lastMigration },
        { name: text('settings.databaseSize'), value: bytesText(database.bytes) },
      ],
      retention: (
        ['retentionDays', 'unconfirmedHours', 'auditRetentionDays', 'idempotencyKeyHours'] as const
      ).map((name) => ({ name: text(`settings.retention.${name}`), value: this.periodText(name) })),
      doctor: items.map(({ at, details }) => doctorView(at, details))[0],
      variables: Object.entries(this.config)
        // Fault points are for tests; embedded servers add the function that stops them.
        .filter(([name, value]) => name !== 'faultPoints' && typeof value !== 'function')
        .map(([name]) => this.variable(name as keyof AppConfig))
        .sort((a, b) => a.name.localeCompare(b.name, 'en')),
    });
  }

  private periodText(
    name: 'retentionDays' | 'unconfirmedHours' | 'auditRetentionDays' | 'idempotencyKeyHours',
  ) {
    const count = this.config[name];
    if (count === 0 && UNLIMITED_AT_ZERO.test(name)) return text('settings.unlimited');
    return text(name.endsWith('Days') ? 'settings.days' : 'settings.hours', { count });
  }

  private variable(name: keyof AppConfig): { name: string; value: string } {
    return { name: variableName(name), value: shown(name, this.config[name]) };
  }
}

/** `databaseUrl` as DATABASE_URL. */
const variableName = (name: string) => name.replace(/[A-Z]/g, '_$&').toUpperCase();

function shown(name: keyof AppConfig, value: AppConfig[keyof AppConfig]): string {
  if (value === undefined) return text('settings.unset');
  if (SECRETS.has(name)) {
    return text(Array.isArray(value) && value.length === 0 ? 'settings.unset' : 'settings.secret');
  }
  if (typeof value === 'string') return URLS.has(name) ? withoutCredentials(value) : value;
  // As the environment has it: a port is not "4,490".
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const names = value instanceof Map ? [...(value as ReadonlyMap<string, unknown>).keys()] : value;
  if (Array.isArray(names)) return names.length === 0 ? text('common.none') : names.map(String).join(', ');
  return 'issuer' in value ? value.issuer : text('settings.secret');
}

/** What stands between the scheme and the last @ are credentials, and a query may hold some, too. */
function withoutCredentials(url: string): string {
  return url.replace(/:\/\/.*@/s, '://').replace(/\?.*$/s, '');
}

function doctorView(at: string, details: Readonly<Record<string, unknown>>) {
  const violated = Array.isArray(details['violated']) ? details['violated'].map(String) : [];
  const examined = Number(details['examined'] ?? 0);
  return {
    at,
    isWell: violated.length === 0,
    text:
      violated.length === 0
        ? text('settings.doctor.well', { count: examined })
        : text('settings.doctor.violated', { count: violated.length }),
    violated,
  };
}

/** What administrators look after beside the configuration: the audit log, and the data of people. */
@PageController()
@RequirePermission('Administer')
export class OversightPagesController {
  constructor(
    private readonly audit: AuditPage,
    private readonly people: PeoplePage,
    private readonly settings: SettingsPage,
  ) {}

  @Get('audit')
  @HtmlPage()
  showAudit(@Query() query: object): Promise<string> {
    return this.audit.render(validateQuery(ListAuditDto, nonBlankFields(query)));
  }

  @Get('settings')
  @RequirePerson('administrator')
  @HtmlPage()
  showSettings(): Promise<string> {
    return this.settings.render();
  }

  @Get('people')
  @HtmlPage()
  showPeople(): string {
    return this.people.form();
  }

  @Post('people')
  async searchPeople(
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.people.search(form, principal));
  }

  @Post('people/erase')
  async erasePerson(
    @Body() form: unknown,
    @Res() response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    sendFormAnswer(response, await this.people.erase(form, principal));
  }
}

/** What operators look after. */
@PageController('overview')
@RequirePermission('ViewImports')
export class OverviewPagesController {
  constructor(
    private readonly page: OverviewPage,
    private readonly overview: OverviewService,
  ) {}

  @Get()
  @HtmlPage()
  show(@Query() query: ShowOverviewDto, @CurrentPrincipal() principal: Principal): Promise<string> {
    return this.page.render(query, principal);
  }

  @Post('viewed')
  @RequirePermission('ManageImports')
  @Redirect('/overview', 303)
  async markViewed(@CurrentPrincipal() principal: Principal): Promise<void> {
    await this.overview.markAllViewed(principal);
  }

  /** A queue serves all file types. */
  @Post('queues/:name/resume')
  @RequirePermission('ManageImports')
  @Redirect('/overview', 303)
  async resume(@Param('name') name: string, @CurrentPrincipal() principal: Principal): Promise<void> {
    assertUnlimited(principal);
    await this.overview.resumeQueue(name, principal);
  }
}
