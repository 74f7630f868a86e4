import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../../common/http/path-id.pipe.js';
import { batchNotFound } from './batch.errors.js';

/** The id of a batch in a path. */
@Injectable()
export class BatchIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return batchNotFound(id);
  }
}
