import { Module } from '@nestjs/common';
import { RetentionSweeper } from './retention-sweeper.js';

/** Retention: the data that a worker process deletes, and the time of deletion. */
@Module({ providers: [RetentionSweeper], exports: [RetentionSweeper] })
export class RetentionModule {}
