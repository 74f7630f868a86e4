import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import type { MappedColumn } from '../../formats/reading.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { mappingOfBody, SaveMappingDto } from '../../import-processes/mappings.dto.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { SavedMappingsService, type StoredMapping } from '../../import-processes/saved-mappings.service.js';
import { validateBody } from '../../platform/http/validation.js';
import type { RowColumn } from '../../records/target.js';
import { answerForm, type FormAnswer, problemView } from '../forms.js';
import { fieldName, recipeForm, recipeIn } from '../imports/column-form.js';
import { filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';

/** More columns would not fit into one form. */
const MOST_EDITED = 200;

/** A saved mapping: its name, the field of each column and what becomes of its values. */
@Injectable()
export class MappingPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly importProcesses: ImportProcessesService,
    private readonly mappings: SavedMappingsService,
    private readonly rows: RowDescriptions,
    private readonly pages: PageRenderer,
  ) {}

  /** @throws DomainError 404 `mapping_not_found` */
  async show(id: number, name: string, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    return this.render(id, await this.mappings.get(id, name));
  }

  /** What the form does not show stays: the choices of the reading, and columns beyond the first 200. */
  async save(id: number, name: string, form: unknown, principal: Principal): Promise<FormAnswer> {
    assertMayUse(principal, id);
    const stored = await this.mappings.get(id, name);
    const fields = (form ?? {}) as Record<string, unknown>;
    const changed = { ...stored, columns: columnsIn(fields, stored), constants: constantsIn(form, stored) };
    return answerForm(
      async () => {
        const { reading, columns, constants } = changed;
        const body = { name: fields.name, reading, columns, constants };
        const mapping = mappingOfBody(validateBody(SaveMappingDto, body));
        const expected = Number(fields.version);
        await this.mappings.replace(id, name, { mapping, actor: principal.id }, { expected });
        return `/file-types/${id}#mappings`;
      },
      (error) => this.render(id, changed, { problem: problemView(error), name: fields.name }),
    );
  }

  private async render(id: number, mapping: StoredMapping, entered: object = {}): Promise<string> {
    const process = await this.importProcesses.get(id);
    const { columns: fields } = await this.rows.rules(id);
    const nameOf = await this.creators.of([mapping.savedBy]);
    const { name, version, reading, columns, constants, savedBy, savedAt } = mapping;
    const used = new Set(Object.values(columns).map(({ field }) => field));
    return this.pages.render('file-types/mapping', {
      title: name,
      section: 'file-types',
      fileType: process.name,
      fileTypePath: `/file-types/${id}`,
      path: `/file-types/${id}/mapping?name=${encodeURIComponent(name)}`,
      name,
      ...entered,
      version,
      by: nameOf(savedBy),
      at: savedAt.toISOString(),
      columns: Object.entries(columns)
        .slice(0, MOST_EDITED)
        .map(([header, column], index) => columnView(header, column, index, fields)),
      reading: Object.entries(reading)
        .map(([choice, value]) => `${choice}: ${String(value)}`)
        .join(' · '),
      constants: Object.entries(constants).map(([field, value]) => ({
        field,
        label: fieldName(field),
        value,
      })),
      newConstants: fields
        .filter((field) => !used.has(field.name) && constants[field.name] === undefined)
        .map((field) => ({ name: field.name, text: fieldName(field.name) })),
    });
  }
}

/** Headers can be longer than the name of a form field, so columns go by their place. */
function columnView(
  header: string,
  { field, ...recipe }: MappedColumn,
  index: number,
  fields: readonly RowColumn[],
) {
  const key = String(index + 1);
  const known = fields.map(({ name }) => name);
  const names = field === null || known.includes(field) ? known : [field, ...known];
  return {
    header,
    field: `column:${key}`,
    leftOut: field === null,
    targets: names.map((name) => ({ name, text: fieldName(name), selected: name === field })),
    recipe: recipeForm(key, recipe, fields.find(({ name }) => name === field)?.kind),
  };
}

function columnsIn(
  form: Readonly<Record<string, unknown>>,
  { columns }: StoredMapping,
): Record<string, MappedColumn> {
  const chosen = filledIn(form);
  const entries = Object.entries(columns).flatMap(([header, column], index) => {
    const key = String(index + 1);
    const target = chosen.get(key);
    if (target === undefined) return [[header, column] as const];
    if (target === '') return [];
    const { field: before, ...recipe } = column;
    const changed = recipeIn(form, key, recipe) ?? recipe;
    const field = target === '-' ? null : target;
    return [[header, { field, ...(field === null && before !== null ? {} : changed) }] as const];
  });
  return Object.fromEntries(entries);
}

function constantsIn(form: unknown, { constants }: StoredMapping): Record<string, string> {
  const { newConstant, newConstantValue } = (form ?? {}) as Record<string, unknown>;
  const given = { ...constants, ...Object.fromEntries(filledIn(form, 'constant:')) };
  const kept = Object.entries(given).filter(([, value]) => value !== '');
  const isNew = typeof newConstant === 'string' && newConstant !== '' && typeof newConstantValue === 'string';
  return Object.fromEntries(isNew ? [...kept, [newConstant, newConstantValue]] : kept);
}
