import { IsIn, IsOptional, Length, MaxLength } from 'class-validator';
import {
  INSTANCE_STATUSES,
  type InstanceStatus,
} from '../../../workflows/entities/workflow-instance.entity.js';

/** The query of the page of a workflow's instances. */
export class SearchInstancesDto {
  /** Name of an identifier; counts with a value only. */
  @IsOptional()
  @Length(1, 400, { message: 'by must be the name of an identifier' })
  by?: string;

  @IsOptional()
  @Length(1, 1500, { message: 'value must have 1 to 1,500 characters' })
  value?: string;

  @IsOptional()
  @IsIn(INSTANCE_STATUSES, { message: `status must be one of ${INSTANCE_STATUSES.join(', ')}` })
  status?: InstanceStatus;

  @IsOptional()
  @MaxLength(200, { message: 'after must come from the link to the next page' })
  after?: string;
}
