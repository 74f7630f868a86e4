import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../../common/http/path-id.pipe.js';
import { userNotFound } from './user.errors.js';

/** The id of a user in a path. */
@Injectable()
export class UserIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return userNotFound(id);
  }
}
