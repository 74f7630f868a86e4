import { Client, type ClientConfig } from 'pg';

/**
 * A client of the pool that somebody always listens to. Pool and TypeORM take their ears off and put them on when a
 * client changes hands; one whose connection PostgreSQL ends at that moment would end the process. What breaks is told
 * by the statement that ran, or by the next.
 */
export class HeardClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
