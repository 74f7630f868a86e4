import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../../common/http/path-id.pipe.js';
import { behaviorNotFound } from '../workflow.errors.js';

/** The id of a behavior in a path. */
@Injectable()
export class BehaviorIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return behaviorNotFound(id);
  }
}
