import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';

/** The query of `GET /API/WorkflowImportQueue/ImportProcesses`. */
export class ListImportProcessesDto {
  @ApiPropertyOptional({
    description: 'Left out: all, for those who may configure; else the active ones.',
    enum: ['active', 'disabled'],
  })
  @IsOptional()
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status?: 'active' | 'disabled';
}
