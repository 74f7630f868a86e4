import { Injectable } from '@nestjs/common';
import { PathIdPipe } from '../../common/http/path-id.pipe.js';
import { mailNotFound } from '../../notifications/mailbox.js';

/** The id of a mail in a path. */
@Injectable()
export class MailIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return mailNotFound(id);
  }
}
