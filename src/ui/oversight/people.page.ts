import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import {
  ErasePersonDto,
  type ErasureReport,
  personIdentifier,
  SearchPeopleDto,
} from '../../people/people.dto.js';
import { PeopleService } from '../../people/people.service.js';
import { validateForm, validateQuery } from '../../platform/http/validation.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer } from '../forms.js';
import { importPath, instancePath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';

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
