import { IsString } from 'class-validator';

/** The form of the editor of a workflow. */
export class WorkflowSourceDto {
  @IsString({ message: 'source must be the JSON of a workflow' })
  source!: string;
}
