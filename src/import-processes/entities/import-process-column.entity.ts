import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Which column of a row the header of an uploaded file stands for, as somebody said once. */
@Entity('import_process_column')
export class ImportProcessColumnEntity {
  @PrimaryColumn('bigint', { name: 'import_process_id' }) importProcessId!: number;
  @PrimaryColumn('text') header!: string;
  /** `null`: the column is left out. */
  @Column('text', { nullable: true }) target!: string | null;
  @Column('text', { name: 'mapped_by' }) mappedBy!: string;
  @Column('timestamptz', { name: 'mapped_at', default: () => 'now()' }) mappedAt!: Date;
}
