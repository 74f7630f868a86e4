import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { PREVIEW_OPERATIONS, type PreviewOperation } from '../preview/previewed-record.js';
import { Integer } from '../results/dto/integer.js';

/** The query of `GET …/Batches/{id}/Preview`. */
export class PreviewDto {
  @ApiPropertyOptional({ enum: PREVIEW_OPERATIONS })
  @IsOptional()
  @IsIn(PREVIEW_OPERATIONS, { message: `operation must be one of ${PREVIEW_OPERATIONS.join(', ')}` })
  operation?: PreviewOperation;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 1000, default: 50 })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 1000' })
  @Min(1, { message: 'limit must be an integer from 1 to 1000' })
  @Max(1000, { message: 'limit must be an integer from 1 to 1000' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the page before' })
  after?: string;
}
