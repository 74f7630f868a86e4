import type { JsonObject } from '../common/json.js';
import type { TargetConfiguration } from '../targets/target.js';

/** What a person or program says of an import process when it is saved. */
export interface ImportProcessInput {
  name: string;
  description: string;
  /** For administrators; not shown to those who only import. */
  note: string;
  icon: string;
  displayOrder: number;
  status: 'active' | 'disabled';
  /** Days for which the records of an ended batch are kept; null: as the installation says, 0: for ever. */
  retentionDays: number | null;
  /** One chunk at a time, in line order. */
  ordered: boolean;
  target: TargetConfiguration;
  recordSchema: JsonObject | null;
}

/** An import process in its current version. */
export interface ImportProcess extends ImportProcessInput {
  id: number;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}
