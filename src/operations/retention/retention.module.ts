import { Module } from '@nestjs/common';
import { RetentionSweeper } from './retention-sweeper.js';

/** What a worker process deletes, and when. */
@Module({ providers: [RetentionSweeper], exports: [RetentionSweeper] })
export class RetentionModule {}
