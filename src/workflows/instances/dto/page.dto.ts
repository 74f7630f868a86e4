import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { Integer } from '../../../import-queue/results/dto/integer.js';

/** One page of a list. */
export class PageDto {
  @ApiPropertyOptional({
    description: 'At most so many; a page of very large ones ends earlier, and says so with nextCursor.',
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the page before' })
  after?: string;
}
