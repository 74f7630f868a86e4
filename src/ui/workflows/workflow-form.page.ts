import { Injectable } from '@nestjs/common';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { Principal } from '../../auth/principal.js';
import { findJsonSyntaxError } from '../../formats/json/json-syntax.js';
import { workflowNameFrom } from '../../import-processes/start/file-proposal.js';
import { DomainError, type ProblemDetail } from '../../platform/errors.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { VersionedWorkflowDefinition } from '../../workflows/definition.js';
import { readDefinition } from '../../workflows/definition/definition-reader.js';
import {
  type StoredWorkflowDefinition,
  WorkflowDefinitionsService,
  workflowResource,
} from '../../workflows/definition/workflow-definitions.service.js';
import type { FormAnswer } from '../forms.js';
import { withQuery, workflowPath } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import { text, text as wording } from '../texts/catalogue.js';
import { changedDraft, draftFrom } from './submitted-draft.js';
import { definitionFrom, draftOf, type Mistake, NEW_WORKFLOW, type WorkflowDraft } from './workflow-draft.js';
import { WorkflowFormView } from './workflow-form-view.js';

/** The inputs of the largest form that a browser sends and the service reads. */
const MOST_INPUTS = 9_000;

/** The first content of the JSON of a new workflow: a definition that can be saved unchanged. */
const EXAMPLE: WorkflowDraft = {
  ...NEW_WORKFLOW,
  ...{ name: 'my-workflow', title: 'My Workflow', entityType: 'Member' },
  identifiers: [{ was: '', name: 'Email', unique: true, email: true, caseInsensitive: true }],
  attributes: NEW_WORKFLOW.attributes.map((field) => ({ ...field, name: 'First Name', maxLength: '100' })),
};

/** What a workflow page was sent: its JSON, or the inputs of the form; `do` names the button. */
interface Sent {
  source?: unknown;
  do?: unknown;
}

/** Where a workflow is edited: by a form, or by its JSON, which is the same definition. */
@Injectable()
export class WorkflowFormPage {
  constructor(
    private readonly workflows: WorkflowDefinitionsService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param name of the workflow; `null`: a new one */
  async open(name: string | null, as: unknown): Promise<string> {
    if (name === null) {
      return as === 'json' ? this.json(null, sourceOf(EXAMPLE)) : this.form(null, NEW_WORKFLOW);
    }
    const resource = workflowResource(await this.workflows.current(name));
    if (as === 'json') return this.json(name, jsonText(resource));
    return isTooLarge(resource)
      ? this.json(name, jsonText(resource), tooLarge(resource))
      : this.form(name, draftOf(resource));
  }

  /** Saves what was sent, or answers the page after one of its other buttons. */
  async receive(name: string | null, form: unknown, principal: Principal): Promise<FormAnswer> {
    const sent = (form ?? {}) as Sent;
    if (typeof sent.source === 'string') return this.receiveJson(name, sent.source, sent.do, principal);
    const draft = draftFrom(form);
    // A new field without a name was left empty.
    const filled = {
      ...draft,
      name:
        draft.name === '' && name === null && draft.title !== '' ? workflowNameFrom(draft.title) : draft.name,
      attributes: draft.attributes.filter((field) => field.was !== '' || field.name !== ''),
    };
    const button = typeof sent.do === 'string' ? sent.do : 'save';
    if (button !== 'save' && button !== 'json') {
      return { status: 200, html: this.form(name, changedDraft(draft, button), [], button) };
    }
    const { definition, mistakes } = definitionFrom(filled);
    // JSON cannot keep a condition that is not complete.
    if (button === 'json' && mistakes.length === 0)
      return { status: 200, html: this.json(name, jsonText(definition)) };
    if (mistakes.length > 0) {
      const html = this.form(name, filled, [
        ...mistakes,
        ...mistakesOf(problemsIn(definition, name), filled),
      ]);
      return { status: 400, html };
    }
    try {
      return savedAnswer(await this.store(name, definition, principal));
    } catch (error) {
      if (!(error instanceof DomainError) || ![400, 409].includes(error.status)) throw error;
      const found = mistakesOf(error.options.errors ?? [], filled);
      const refused = found.length > 0 ? found : [{ place: '', message: error.message }];
      return { status: error.status, html: this.form(name, filled, refused) };
    }
  }

  private async receiveJson(
    name: string | null,
    source: string,
    button: unknown,
    principal: Principal,
  ): Promise<FormAnswer> {
    try {
      const parsed: unknown = JSON.parse(source);
      if (button !== 'form') return savedAnswer(await this.store(name, parsed, principal));
      const { definition, version } = readDefinition(parsed, name ?? undefined);
      const resource = { ...definition, version } as VersionedWorkflowDefinition;
      if (isTooLarge(resource)) return { status: 400, html: this.json(name, source, tooLarge(resource)) };
      return { status: 200, html: this.form(name, draftOf(resource)) };
    } catch (error) {
      if (error instanceof SyntaxError) {
        return { status: 400, html: this.json(name, source, undefined, [syntaxProblem(source)]) };
      }
      if (!(error instanceof DomainError) || ![400, 409].includes(error.status)) throw error;
      const problems = placedProblems(source, error.options.errors ?? []);
      const refusal = problems.length === 0 ? error.message : undefined;
      return { status: error.status, html: this.json(name, source, refusal, problems) };
    }
  }

  private store(name: string | null, source: unknown, { id }: Principal): Promise<StoredWorkflowDefinition> {
    return name === null ? this.workflows.create(source, id) : this.workflows.replace(name, source, id);
  }

  private form(
    name: string | null,
    draft: WorkflowDraft,
    mistakes: readonly Mistake[] = [],
    button = '',
  ): string {
    const view = new WorkflowFormView(draft, mistakes, { button, isNew: name === null });
    return this.pages.render('workflows/form', { ...this.frame(name, draft.title), ...view.model() });
  }

  private json(
    name: string | null,
    source: string,
    refusal?: string,
    problems: readonly object[] = [],
  ): string {
    const model = { source, refusal, problems, isJson: true };
    return this.pages.render('workflows/form', { ...this.frame(name, null), ...model });
  }

  private frame(name: string | null, title: string | null) {
    const shown = title ?? name ?? '';
    return {
      title: name === null ? text('workflow.newTitle') : text('workflowForm.title', { title: shown }),
      section: 'workflows' as const,
      isNew: name === null,
      workflow: shown,
      workflowPath: name === null ? '/workflows' : workflowPath(name),
      path: name === null ? '/workflows' : `${workflowPath(name)}/edit`,
    };
  }
}

function savedAnswer({ definition, version }: StoredWorkflowDefinition): FormAnswer {
  return { path: withQuery(workflowPath(definition.name), { saved: version }) };
}

const jsonText = (definition: object) => `${JSON.stringify(definition, null, 2)}\n`;
const sourceOf = (draft: WorkflowDraft) => jsonText(definitionFrom(draft).definition);

function isTooLarge({ attributes, steps }: VersionedWorkflowDefinition): boolean {
  const ofActions = steps
    .flatMap(({ actions }) => actions)
    .map((action) => {
      const parts = (action.rules?.length ?? 0) + (action.behaviors?.length ?? 0);
      return 10 + 2 * attributes.length + 20 * parts;
    });
  return ofActions.reduce((sum, inputs) => sum + inputs, 9 * attributes.length) > MOST_INPUTS;
}

function tooLarge({ attributes, steps }: VersionedWorkflowDefinition): string {
  const actions = steps.flatMap((step) => step.actions).length;
  return text('workflowForm.tooLarge', { fields: attributes.length, actions });
}

function problemsIn(definition: JsonObject, name: string | null): readonly ProblemDetail[] {
  try {
    readDefinition(definition, name ?? undefined);
    return [];
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return error.options.errors ?? [];
  }
}

/** The problems of a definition at the inputs of the form, in its words. */
function mistakesOf(problems: readonly ProblemDetail[], draft: WorkflowDraft): Mistake[] {
  return problems.map(({ pointer = '', code, message }) => {
    const path = pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
    const place = pointer
      .slice(1)
      .replaceAll('/', '.')
      .replace(/^(steps\.\d+\.actions\.\d+)\.inputs\b.*/, '$1.sets')
      .replace(/^(steps\.\d+\.actions\.\d+)\.required\b.*/, '$1.requires')
      .replace(/^(steps\.\d+\.actions\.\d+)\.primary\.step$/, '$1.primaryStep')
      .replace(/^(steps\.\d+\.actions\.\d+)\.primary\b.*/, '$1.primary')
      .replace(/^(steps\.\d+\.actions\.\d+\.rules\.\d+\.(?:when|require))\b.*/, '$1')
      .replace(/\.options\b.*/, '.options');
    const isEmpty = valueAt(draft, place) === '' || (path.endsWith('/name') && valueAt(draft, place) === ':');
    if (code === 'duplicate') return { place, message: text('workflowForm.error.duplicate') };
    return { place: toAddress(place, draft), message: isEmpty ? text('workflowForm.error.empty') : message };
  });
}

/** A mail without a chosen field has its address in an input of its own. */
function toAddress(place: string, draft: WorkflowDraft): string {
  return place.endsWith('.to') && valueAt(draft, place) === '' ? place.replace(/to$/, 'address') : place;
}

function valueAt(draft: WorkflowDraft, place: string): unknown {
  return place
    .split('.')
    .reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], draft);
}

/** A mistake in a text that a person wrote, with its place. */
export interface PlacedProblem {
  /** 1-based; `null` when the place is not in the text, for example a missing member. */
  line: number | null;
  pointer: string | null;
  message: string;
  /** The content of the line. */
  excerpt: string | null;
}

/** Finds the place of each problem in a JSON text. JSON is YAML, whose parser keeps the places that `JSON.parse` drops. */
export function placedProblems(text: string, problems: readonly ProblemDetail[]): PlacedProblem[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, keepSourceTokens: false, uniqueKeys: false });
  return problems.map(({ pointer, message }) => {
    const line = pointer === undefined ? null : lineOf(document, lines, pointer);
    return {
      line,
      pointer: pointer ?? null,
      message,
      excerpt: line === null ? null : lineOfText(text, line),
    };
  });
}

/** The place where a text that `JSON.parse` refused stops being JSON. */
export function syntaxProblem(text: string): PlacedProblem {
  const { index, message } = findJsonSyntaxError(text) ?? {
    index: text.length,
    message: wording('workflow.endsTooSoon'),
  };
  const line = text.slice(0, index).split('\n').length;
  return {
    line,
    pointer: null,
    message: wording('workflow.notJson', { reason: message }),
    excerpt: lineOfText(text, line),
  };
}

/** The line of the value, or of the nearest value around it that exists. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  pointer: string,
): number | null {
  const path = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return null;
}

function lineOfText(text: string, line: number): string {
  return (text.split('\n')[line - 1] ?? '').trim().slice(0, 200);
}
