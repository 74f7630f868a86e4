import { IntersectionType, PickType } from '@nestjs/swagger';
import { CreateBatchDto, Metadata, RunControlDto } from './create-batch.dto.js';
import { ReadingDto } from '../import-processes/reading.dto.js';

/** The query of `POST /API/WorkflowImportQueue/Uploads`; the file is the multipart field `file`. */
export class UploadDto extends IntersectionType(
  PickType(CreateBatchDto, [
    'fileName',
    'importProcessId',
    'creationPath',
    'sendSuccessEmailTo',
    'sendFailureEmailTo',
  ]),
  ReadingDto,
  RunControlDto,
) {
  @Metadata()
  metadata?: [string, string][];
}
