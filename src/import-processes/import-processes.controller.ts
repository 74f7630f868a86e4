import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  Headers,
  HttpCode,
  Param,
  Post,
  Put,
  Req,
  Res,
  StreamableFile,
} from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiBody,
  ApiConflictResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiNotFoundResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiPreconditionFailedResponse,
  ApiProduces,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { assertMayUse, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { WORKBOOK_TYPE } from '../formats/workbook/workbook-writer.js';
import { ANY_OBJECT, LOCATION, refTo, TEXT } from '../platform/http/answer-schemas.js';
import { versionCondition, versionTag } from '../platform/http/answers.js';
import { validateBody, validateQuery } from '../platform/http/validation.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { type ImportProcess, type ImportProcessSummary, visibleTo } from './import-process.js';
import {
  ImportProcessIdPipe,
  ListImportProcessesDto,
  ReplaceImportProcessDto,
  SaveImportProcessDto,
  TemplateDto,
} from './import-processes.dto.js';
import { ImportProcessesService } from './import-processes.service.js';
import { mappingOfBody, type MappingResource, mappingResource, SaveMappingDto } from './mappings.dto.js';
import { RowDescriptions } from './row-descriptions.js';
import { SavedMappingsService } from './saved-mappings.service.js';

const ROUTE = 'API/WorkflowImportQueue/ImportProcesses';

@ApiTags('Import processes')
@Controller(ROUTE)
@RequirePermission('Configure')
export class ImportProcessesController {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
  ) {}

  @Get()
  @RequirePermission('BeginWorkflowImportProcess', 'Configure')
  @ApiOperation({
    summary: 'List import processes by display order',
    description:
      'Callers with Configure see all of them in full. Others see the active ones, without note, target and ' +
      'recordSchema. Credentials that are limited to certain import processes see only those.',
  })
  @ApiQuery({ type: ListImportProcessesDto })
  @ApiOkResponse({
    description: 'The import processes that the caller can see',
    schema: refTo('ImportProcessList'),
  })
  async list(
    @Req() request: Request,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ items: (ImportProcess | ImportProcessSummary)[] }> {
    const { status } = validateQuery(ListImportProcessesDto, request.query);
    const visible = visibleTo(principal, await this.importProcesses.list());
    return { items: visible.filter((process) => status === undefined || process.status === status) };
  }

  @Post()
  @ApiOperation({ summary: 'Create an import process' })
  @ApiBody({ type: SaveImportProcessDto })
  @ApiCreatedResponse({
    description: 'The import process',
    schema: refTo('ImportProcess'),
    headers: LOCATION,
  })
  @ApiBadRequestResponse({
    description: 'invalid_body, invalid_import_process: `errors` lists every mistake',
  })
  @ApiConflictResponse({ description: 'import_process_name_taken' })
  async create(
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<ImportProcess> {
    const created = await this.importProcesses.create(validateBody(SaveImportProcessDto, body), principal.id);
    response.location(`/${ROUTE}/${created.id}`);
    return tagged(created, response);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One import process, in its current version' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiOkResponse({ description: 'The import process', schema: refTo('ImportProcess') })
  @ApiNotFoundResponse({ description: 'import_process_not_found' })
  async get(
    @Param('id', ImportProcessIdPipe) id: number,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<ImportProcess> {
    assertMayUse(principal, id);
    return tagged(await this.importProcesses.get(id), response);
  }

  @Put(':id')
  @ApiOperation({ summary: 'Make a new version; running batches keep theirs' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiBody({ type: ReplaceImportProcessDto })
  @ApiOkResponse({ description: 'The import process in its new version', schema: refTo('ImportProcess') })
  @ApiBadRequestResponse({
    description: 'invalid_body, invalid_import_process: `errors` lists every mistake',
  })
  @ApiNotFoundResponse({ description: 'import_process_not_found' })
  @ApiConflictResponse({ description: 'import_process_name_taken, version_conflict' })
  @ApiPreconditionFailedResponse({ description: 'precondition_failed: If-Match names another version' })
  async replace(
    @Param('id', ImportProcessIdPipe) id: number,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<ImportProcess> {
    assertMayUse(principal, id);
    const { version, ...input } = validateBody(ReplaceImportProcessDto, body);
    const condition = versionCondition(ifMatch);
    return tagged(await this.importProcesses.replace(id, input, principal.id, version, condition), response);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete an import process that no batch has ever used' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiNoContentResponse({ description: 'It is deleted' })
  @ApiNotFoundResponse({ description: 'import_process_not_found' })
  @ApiConflictResponse({ description: 'import_process_in_use: set its status to disabled instead' })
  delete(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    assertMayUse(principal, id);
    return this.importProcesses.delete(id, principal.id);
  }

  @Get(':id/Schema')
  @RequirePermission('BeginWorkflowImportProcess', 'Configure')
  @ApiOperation({ summary: 'JSON Schema 2020-12 of a row' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiProduces('application/schema+json')
  @ApiOkResponse({ description: 'The schema', schema: ANY_OBJECT })
  @ApiNotFoundResponse({ description: 'import_process_not_found' })
  @Header('Content-Type', 'application/schema+json; charset=utf-8')
  schema(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<JsonObject> {
    assertMayUse(principal, id);
    return this.rows.schema(id);
  }

  @Get(':id/Template')
  @RequirePermission('BeginWorkflowImportProcess', 'Configure')
  @ApiOperation({ summary: 'A template file: the columns and one example row' })
  @ApiParam({ name: 'id', type: 'integer' })
  @ApiQuery({ type: TemplateDto })
  @ApiProduces('text/csv', 'application/jsonl', WORKBOOK_TYPE)
  @ApiOkResponse({ description: 'The file', schema: TEXT })
  @ApiNotFoundResponse({ description: 'import_process_not_found' })
  async template(
    @Param('id', ImportProcessIdPipe) id: number,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<string | StreamableFile> {
    assertMayUse(principal, id);
    const { content, headers } = await this.rows.template(
      id,
      validateQuery(TemplateDto, request.query).format,
    );
    response.set(headers);
    return typeof content === 'string' ? content : new StreamableFile(content);
  }
}

function tagged(process: ImportProcess, response: Response): ImportProcess {
  response.setHeader('ETag', versionTag(process.version));
  return process;
}

const NAME = { name: 'name', type: 'string', example: 'HR export' } as const;

/** How files with certain headers are read: which column becomes which field, and what becomes of its values. */
@ApiTags('Import processes')
@ApiParam({ name: 'id', type: 'integer' })
@ApiNotFoundResponse({ description: 'import_process_not_found, mapping_not_found' })
@Controller(`${ROUTE}/:id/Mappings`)
@RequirePermission('Configure')
export class MappingsController {
  constructor(private readonly mappings: SavedMappingsService) {}

  @Get()
  @ApiOperation({ summary: 'List the saved mappings of an import process, the one saved last first' })
  @ApiOkResponse({ description: 'The saved mappings', schema: refTo('MappingList') })
  async list(
    @Param('id', ImportProcessIdPipe) id: number,
    @CurrentPrincipal() principal: Principal,
  ): Promise<{ items: MappingResource[] }> {
    assertMayUse(principal, id);
    return { items: (await this.mappings.list(id)).map(mappingResource) };
  }

  @Post()
  @ApiOperation({
    summary: 'Save a mapping',
    description:
      'It applies to every later upload that has all columns that it imports, unless the upload names another one.',
  })
  @ApiBody({ type: SaveMappingDto })
  @ApiCreatedResponse({ description: 'The mapping', schema: refTo('Mapping'), headers: LOCATION })
  @ApiBadRequestResponse({ description: 'invalid_body, invalid_mapping: `errors` lists every mistake' })
  @ApiConflictResponse({ description: 'mapping_name_taken, too_many_mappings (at most 100)' })
  async create(
    @Param('id', ImportProcessIdPipe) id: number,
    @Body() body: unknown,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<MappingResource> {
    assertMayUse(principal, id);
    const mapping = mappingOfBody(validateBody(SaveMappingDto, body));
    const created = await this.mappings.create(id, { mapping, actor: principal.id });
    response.location(`/${ROUTE}/${id}/Mappings/${encodeURIComponent(created.name)}`);
    return taggedMapping(created, response);
  }

  @Get(':name')
  @ApiParam(NAME)
  @ApiOperation({ summary: 'One saved mapping' })
  @ApiOkResponse({ description: 'The mapping', schema: refTo('Mapping') })
  async get(
    @Param('id', ImportProcessIdPipe) id: number,
    @Param('name') name: string,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<MappingResource> {
    assertMayUse(principal, id);
    return taggedMapping(await this.mappings.get(id, name), response);
  }

  @Put(':name')
  @ApiParam(NAME)
  @ApiOperation({ summary: 'Replace a saved mapping; another name in the body renames it' })
  @ApiBody({ type: SaveMappingDto })
  @ApiOkResponse({ description: 'The mapping', schema: refTo('Mapping') })
  @ApiBadRequestResponse({ description: 'invalid_body, invalid_mapping: `errors` lists every mistake' })
  @ApiConflictResponse({ description: 'mapping_name_taken, version_conflict' })
  @ApiPreconditionFailedResponse({ description: 'precondition_failed: If-Match names another version' })
  async replace(
    @Param('id', ImportProcessIdPipe) id: number,
    @Param('name') name: string,
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<MappingResource> {
    assertMayUse(principal, id);
    const { version, ...dto } = validateBody(SaveMappingDto, body);
    const change = { mapping: mappingOfBody(dto), actor: principal.id };
    const condition = versionCondition(ifMatch);
    return taggedMapping(
      await this.mappings.replace(id, name, change, { expected: version, condition }),
      response,
    );
  }

  @Delete(':name')
  @HttpCode(204)
  @ApiParam(NAME)
  @ApiOperation({
    summary: 'Remove a saved mapping',
    description: 'Uploads that await confirmation stay as they were read.',
  })
  @ApiNoContentResponse({ description: 'It is removed' })
  remove(
    @Param('id', ImportProcessIdPipe) id: number,
    @Param('name') name: string,
    @CurrentPrincipal() principal: Principal,
  ): Promise<void> {
    assertMayUse(principal, id);
    return this.mappings.remove(id, name, principal.id);
  }
}

function taggedMapping(mapping: Parameters<typeof mappingResource>[0], response: Response): MappingResource {
  response.setHeader('ETag', versionTag(mapping.version));
  return mappingResource(mapping);
}
