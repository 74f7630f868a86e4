import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';

const TEXT = { message: '$property must be a text' };

/** The form of a file type. What its texts may be is for the import process's own rules to say. */
export class FileTypeFormDto {
  @IsOptional() @IsString(TEXT) name?: string;
  @IsOptional() @IsString(TEXT) description?: string;
  @IsOptional() @IsString(TEXT) note?: string;
  @IsOptional() @IsString(TEXT) icon?: string;
  @IsOptional() @IsString(TEXT) displayOrder?: string;
  @IsOptional()
  @IsIn(['active', 'disabled'], { message: 'status must be active or disabled' })
  status?: string;
  @IsOptional() @IsIn(['yes'], { message: 'ordered is ticked or not' }) ordered?: string;
  /** One of the offered workflow actions, as the JSON of `{workflow, step, action}`, or `other`: see `target`. */
  @IsOptional() @IsString(TEXT) performs?: string;
  @IsOptional() @IsString(TEXT) onNoMatch?: string;
  @IsOptional() @IsString(TEXT) onMatch?: string;
  @IsOptional() @IsIn(['yes'], { message: 'muteBehaviors is ticked or not' }) muteBehaviors?: string;
  /** The target as JSON, where `performs` is `other` or blank. */
  @IsOptional() @IsString(TEXT) target?: string;
  @IsOptional() @IsString(TEXT) recordSchema?: string;
  /** The version that was edited. */
  @IsOptional() @MaxLength(12, { message: 'version must be a number' }) version?: string;
}
