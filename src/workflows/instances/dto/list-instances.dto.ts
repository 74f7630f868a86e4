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

  @ApiPropertyOptional({ enum: INSTANCE_STATUSES })
  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;
}
