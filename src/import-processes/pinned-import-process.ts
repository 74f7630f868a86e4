import type { CompiledTarget, PinnedConfiguration } from '../targets/target.js';

/** An import process as one batch uses it: fixed at the batch's start, whatever is changed later. */
export interface PinnedImportProcess extends PinnedConfiguration {
  id: number;
  version: number;
  name: string;
  /** One chunk at a time, in line order. */
  ordered: boolean;
}

/** A pinned import process, its target's rules made ready for many rows. Cached and shared: immutable. */
export interface CompiledImportProcess {
  pinned: PinnedImportProcess;
  compiled: CompiledTarget;
}
