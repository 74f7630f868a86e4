import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { ListInstancesDto } from './list-instances.dto.js';

/** The query of `GET /API/Workflows/{name}/Instances/Export`. */
export class ExportInstancesDto extends PickType(ListInstancesDto, [
  'attribute',
  'identifier',
  'status',
] as const) {
  @ApiPropertyOptional({ enum: ['jsonl', 'csv'], default: 'jsonl' })
  @IsOptional()
  @IsIn(['jsonl', 'csv'], { message: 'format must be jsonl or csv' })
  format: 'jsonl' | 'csv' = 'jsonl';
}
