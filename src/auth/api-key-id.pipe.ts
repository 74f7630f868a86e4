import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../common/http/path-id.pipe.js';
import { apiKeyNotFound } from './auth.errors.js';

/** The id of an API key in a path. */
@Injectable()
export class ApiKeyIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return apiKeyNotFound(id);
  }
}
