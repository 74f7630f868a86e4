import { IsString } from 'class-validator';

/** The form that tries one row. */
export class TryRowDto {
  @IsString({ message: 'row must be a JSON object' })
  row!: string;
}
