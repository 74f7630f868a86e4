import { createHash } from 'node:crypto';
import { Controller, HttpCode, Post, Query, Req, Res, UseInterceptors } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBadRequestResponse,
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiOperation,
  ApiPropertyOptional,
  ApiTags,
  ApiUnprocessableEntityResponse,
  ApiUnsupportedMediaTypeResponse,
} from '@nestjs/swagger';
import { IsIn, IsOptional, Length, Matches } from 'class-validator';
import type { Response } from 'express';
import { type AuthenticatedRequest, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import { permissionDenied } from '../auth/auth.errors.js';
import { IdempotencyService } from '../auth/idempotency.js';
import type { Principal } from '../auth/principal.js';
import { batchPath, type BatchResource } from '../batches/batch-resource.js';
import {
  proposedImportProcess,
  proposedMapping,
  proposedWorkflow,
} from '../import-processes/start/file-proposal.js';
import { LOCATION, refTo } from '../platform/http/answer-schemas.js';
import { AdmissionInterceptor } from './admission.service.js';
import { FileStartService, type ReadProposal, type StartedFile } from './file-start.service.js';

/** The query of `POST …/ImportProcesses/FromFile`. */
export class FromFileDto {
  @ApiPropertyOptional({
    description: 'Creates the workflow and the import process, and checks the file with them.',
    enum: ['true', 'false'],
    default: 'false',
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'create must be true or false' })
  create?: 'true' | 'false';

  @ApiPropertyOptional({ description: 'Default: the file name of the multipart field.', maxLength: 255 })
  @IsOptional()
  @Length(1, 255, { message: 'fileName must have 1 to 255 characters' })
  fileName?: string;

  @ApiPropertyOptional({ description: 'The row that names the columns. Default: found in the file.' })
  @IsOptional()
  @Matches(/^[1-9][0-9]{0,6}$/, { message: 'headerRow must be the number of a row' })
  headerRow?: string;

  @ApiPropertyOptional({ description: 'Sheet of a workbook, by its name. Default: the first one.' })
  @IsOptional()
  @Length(1, 255, { message: 'sheet must be the name of a sheet' })
  sheet?: string;
}

/** Proposes an import process for a file, and creates it. The service reads the body as a stream. */
@ApiTags('Import processes')
@Controller('API/WorkflowImportQueue/ImportProcesses')
@RequirePermission('Configure')
@UseInterceptors(AdmissionInterceptor)
export class FileStartController {
  constructor(
    private readonly starts: FileStartService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post('FromFile')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Propose a workflow and an import process for a file',
    description:
      'Reads a CSV, XLSX, ODS or JSON Lines file and proposes, for each column, a field with its type, its options and whether it is required, ' +
      'and the column that identifies. With `create=true`, which also needs BeginWorkflowImportProcess, both are created (a name in use gets " 2") and the file is uploaded with them.',
  })
  @ApiConsumes('multipart/form-data')
  @ApiBody({
    schema: {
      type: 'object',
      required: ['file'],
      properties: { file: { type: 'string', format: 'binary' } },
    },
  })
  @ApiOkResponse({ description: 'The proposal; nothing is kept', schema: refTo('FileProposal') })
  @ApiAcceptedResponse({
    description: 'With create=true: the upload, which awaits confirmation, with the new importProcessId',
    schema: refTo('Batch'),
    headers: LOCATION,
  })
  @ApiBadRequestResponse({ description: 'no file, no row, or a file that cannot be read' })
  @ApiUnsupportedMediaTypeResponse({ description: 'The body is not multipart, or the file is not a table.' })
  @ApiUnprocessableEntityResponse({ description: 'damaged_workbook' })
  async fromFile(
    @Query() { create, fileName, headerRow, sheet }: FromFileDto,
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) response: Response,
    @CurrentPrincipal() principal: Principal,
  ): Promise<object> {
    const isCreated = create === 'true';
    if (isCreated && !principal.permissions.includes('BeginWorkflowImportProcess')) {
      throw permissionDenied(['BeginWorkflowImportProcess']);
    }
    const options = { headerRow: headerRow === undefined ? null : Number(headerRow), sheet: sheet ?? null };
    const started = await this.starts.receive(request, principal, fileName);
    try {
      const hash = await hashOfFile(started, [create, fileName, headerRow, sheet]);
      const whole = { ofRead: () => hash, ofUnread: () => Promise.resolve(hash) };
      return await this.idempotency.answer(request, response, whole, async () => {
        const proposal = await this.starts.propose(started, options);
        if (!isCreated) return answerOf(proposal);
        const batch: BatchResource = await this.starts.create(started, proposal, options, principal);
        response.status(202).location(batchPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID));
        return batch;
      });
    } finally {
      // It stays if it became a batch.
      await this.starts.discard(started);
    }
  }
}

async function hashOfFile({ file, fileName }: StartedFile, parameters: unknown[]): Promise<Buffer> {
  const hash = createHash('sha256').update(JSON.stringify(['FromFile', fileName, parameters]));
  for await (const piece of file.pieces()) hash.update(piece);
  return hash.digest();
}

function answerOf({ name, fileName, fields, survey: { columns: _, rows, ...understood } }: ReadProposal) {
  const workflow = proposedWorkflow(name, fields);
  return {
    fileName,
    rows,
    understood,
    fields,
    workflow,
    importProcess: proposedImportProcess(name, workflow, ''),
    mapping: proposedMapping(fields),
  };
}
