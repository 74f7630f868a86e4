import { ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsInt, Min, ValidateIf } from 'class-validator';
import { SaveImportProcessDto } from './save-import-process.dto.js';

/** What is sent to replace an import process. An answer of ours can be edited and sent back as it is. */
export class ReplaceImportProcessDto extends SaveImportProcessDto {
  @ApiPropertyOptional({
    description: 'The version that was edited: 409 version_conflict when it is not the current one.',
    type: 'integer',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsInt({ message: 'version must be a positive integer' })
  @Min(1, { message: 'version must be a positive integer' })
  version?: number;

  @ApiPropertyOptional({ description: 'Not read: the address says which one.', type: 'integer' })
  @Allow()
  id?: number;

  @ApiPropertyOptional({ description: 'Not read.', format: 'date-time' })
  @Allow()
  createdAt?: string;

  @ApiPropertyOptional({ description: 'Not read.', format: 'date-time' })
  @Allow()
  updatedAt?: string;
}
