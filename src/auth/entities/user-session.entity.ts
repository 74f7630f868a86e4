import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('user_session')
export class UserSessionEntity {
  @PrimaryColumn('bytea', { name: 'session_hash' }) sessionHash!: Buffer;
  @Column('bigint', { name: 'user_id' }) userId!: number;
  @Column('timestamptz', { name: 'created_at', default: () => 'now()' }) createdAt!: Date;
  @Column('timestamptz', { name: 'last_seen_at', default: () => 'now()' }) lastSeenAt!: Date;
}
