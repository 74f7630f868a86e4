import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../common/http/path-id.pipe.js';
import { importProcessNotFound } from './import-process.errors.js';

/** The id of an import process in a path. */
@Injectable()
export class ImportProcessIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return importProcessNotFound(id);
  }
}
