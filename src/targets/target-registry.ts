import { Inject, Injectable } from '@nestjs/common';
import type { RecordTarget } from '../records/target.js';

/** Injection token of the targets that `targets.module.ts` lists. */
export const RECORD_TARGETS = Symbol('RECORD_TARGETS');

@Injectable()
export class TargetRegistry {
  constructor(@Inject(RECORD_TARGETS) private readonly targets: readonly RecordTarget[]) {}

  get kinds(): readonly string[] {
    return this.targets.map(({ kind }) => kind);
  }

  /** `undefined` when no target of this kind is built in. */
  find(kind: string): RecordTarget | undefined {
    return this.targets.find((target) => target.kind === kind);
  }
}
