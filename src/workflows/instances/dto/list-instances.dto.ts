import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, Length, Matches } from 'class-validator';
import { INSTANCE_STATUSES, type InstanceStatus } from '../../entities/workflow-instance.entity.js';
import { PageDto } from './page.dto.js';

/** The query of `GET /API/Workflows/{name}/Instances`. */
export class ListInstancesDto extends PageDto {
  @ApiPropertyOptional({
    description: 'Name of an identifier, a colon, and its value.',
    example: ':Email:ada@example.org',
  })
  @IsOptional()
  @Length(3, 2000, {
    message: 'identifier must be a name, a colon and a value, such as :Email:ada@example.org',
  })
  @Matches(/^[^\0]*$/, { message: 'identifier must not contain the character U+0000' })
  identifier?: string;

  @ApiPropertyOptional({
    description:
      'Name of an attribute, a colon, and a value as a CSV cell has it; nothing after the colon: those without a ' +
      'value. No index helps: of a large workflow, every instance is read until the page is full.',
    example: 'Level:Fellow',
  })
  @IsOptional()
  @Length(2, 2000, { message: 'attribute must be a name, a colon and a value, such as Level:Fellow' })
  @Matches(/^[^\0]*$/, { message: 'attribute must not contain the character U+0000' })
  attribute?: string;

  @ApiPropertyOptional({ enum: INSTANCE_STATUSES })
  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;
}
