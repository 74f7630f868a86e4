import { IsString } from 'class-validator';

/** The button beside a header that stands for something else. */
export class ForgetColumnDto {
  @IsString({ message: 'header must be the header of a column' })
  header!: string;
}
