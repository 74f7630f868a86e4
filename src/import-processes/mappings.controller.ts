import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Res } from '@nestjs/common';
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
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { assertMayUse, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { versionCondition, versionTag } from '../platform/http/headers.js';
import { validateBody } from '../platform/http/validation.js';
import { ImportProcessIdPipe } from './import-processes.dto.js';
import { type MappingResource, mappingOfBody, mappingResource, SaveMappingDto } from './mappings.dto.js';
import { SavedMappingsService } from './saved-mappings.service.js';

const ROUTE = 'API/WorkflowImportQueue/ImportProcesses';
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
    return tagged(created, response);
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
    return tagged(await this.mappings.get(id, name), response);
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
    return tagged(await this.mappings.replace(id, name, change, { expected: version, condition }), response);
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

function tagged(mapping: Parameters<typeof mappingResource>[0], response: Response): MappingResource {
  response.setHeader('ETag', versionTag(mapping.version));
  return mappingResource(mapping);
}
