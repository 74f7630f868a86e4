import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';
import { CreateBatchDto } from './create-batch.dto.js';

/** The query of `POST /API/WorkflowImportQueue/Uploads`; the file is the multipart field `file`. */
export class UploadDto extends PickType(CreateBatchDto, [
  'fileName',
  'importProcessId',
  'sendSuccessEmailTo',
  'sendFailureEmailTo',
]) {
  @ApiPropertyOptional({
    description: 'Encoding of a CSV file, as the Encoding Standard names it. Left out: told from the file.',
    example: 'windows-1252',
  })
  @IsOptional()
  @Matches(/^[A-Za-z0-9._:-]{1,40}$/, {
    message: 'encoding must be the name of an encoding, for example utf-8',
  })
  encoding?: string;

  @ApiPropertyOptional({
    description:
      'Delimiter of a CSV file: one character, or comma, semicolon, tab, pipe, colon, space. Left out: told from the file.',
    example: 'semicolon',
  })
  @IsOptional()
  @Matches(/^([^"\r\n\ud800-\udfff]|comma|semicolon|tab|pipe|colon|space)$/, {
    message: 'delimiter must be one character, or comma, semicolon, tab, pipe, colon or space',
  })
  delimiter?: string;

  @ApiPropertyOptional({
    description:
      'JSON object from headers of a CSV file to columns of a row, or to null to leave a column out. Kept for later files of the import process once this one is confirmed. May be a multipart field before the file instead.',
    example: '{"E-mail":":Email","Remarks":null}',
  })
  @IsOptional()
  @IsString()
  mapping?: string;
}
