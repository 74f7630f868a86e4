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
import { versionCondition, versionTag } from '../platform/http/headers.js';
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
import { RowDescriptions } from './row-descriptions.js';

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
