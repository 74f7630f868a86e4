import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('api_key')
export class ApiKeyEntity {
  @PrimaryGeneratedColumn('identity', { name: 'api_key_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  @Column('text') name!: string;
  @Column('bytea', { name: 'key_hash', unique: true }) keyHash!: Buffer;
  /** The first characters of the key, for people to tell keys apart. */
  @Column('text', { name: 'key_hint' }) keyHint!: string;
  @Column('text', { array: true }) permissions!: string[];
  /** `null`: every import process. */
  @Column('bigint', { name: 'import_process_ids', array: true, nullable: true }) importProcessIds!:
    number[] | null;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at', nullable: true }) expiresAt!: Date | null;
  @Column('timestamptz', { name: 'last_used_at', nullable: true }) lastUsedAt!: Date | null;
  @Column('timestamptz', { name: 'revoked_at', nullable: true }) revokedAt!: Date | null;
}
