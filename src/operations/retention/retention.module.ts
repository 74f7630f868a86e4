import { Module } from '@nestjs/common';
import { AuthModule } from '../../auth/auth.module.js';
import { RetentionSweeper } from './retention-sweeper.js';

/** Retention: the data that a worker process deletes, and the time of deletion. */
@Module({ imports: [AuthModule], providers: [RetentionSweeper], exports: [RetentionSweeper] })
export class RetentionModule {}
