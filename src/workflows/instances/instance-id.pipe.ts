import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../../common/http/path-id.pipe.js';
import { workflowInstanceNotFound } from '../workflow.errors.js';

/** The id of an instance in a path. */
@Injectable()
export class InstanceIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return workflowInstanceNotFound(undefined, id);
  }
}
