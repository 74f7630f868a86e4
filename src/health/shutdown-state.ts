import { Injectable } from '@nestjs/common';

/** Whether this process has begun to stop. */
@Injectable()
export class ShutdownState {
  private begun = false;

  get stopping(): boolean {
    return this.begun;
  }

  begin(): void {
    this.begun = true;
  }
}
