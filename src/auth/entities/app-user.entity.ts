import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { UserRole } from '../users/user-role.js';

@Entity('app_user')
export class AppUserEntity {
  @PrimaryGeneratedColumn('identity', { name: 'user_id', type: 'bigint', generatedIdentity: 'BY DEFAULT' })
  id!: number;
  /** In lower case. */
  @Column('text', { unique: true }) email!: string;
  @Column('text', { name: 'password_hash' }) passwordHash!: string;
  @Column('text') role!: UserRole;
  @Column('text', { name: 'created_by' }) createdBy!: string;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'last_signed_in_at', nullable: true }) lastSignedInAt!: Date | null;
  @Column('timestamptz', { name: 'disabled_at', nullable: true }) disabledAt!: Date | null;
}
