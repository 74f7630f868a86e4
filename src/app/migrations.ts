import { CreateTables1764000000000 } from './migrations/1764000000000-create-tables.js';
import { AddBehaviorOutbox1764100000000 } from './migrations/1764100000000-add-behavior-outbox.js';
import { AddUploads1764300000000 } from './migrations/1764300000000-add-uploads.js';
import { AddPreview1764300100000 } from './migrations/1764300100000-add-preview.js';
import { AddUsersAndSessions1764400000000 } from './migrations/1764400000000-add-users-and-sessions.js';
import { AddRetention1764500000000 } from './migrations/1764500000000-add-retention.js';
import { StoreHashesUncompressed1764600000000 } from './migrations/1764600000000-store-hashes-uncompressed.js';
import { AddResends1764700000000 } from './migrations/1764700000000-add-resends.js';
import { KeepLogAsWritten1764800000000 } from './migrations/1764800000000-keep-log-as-written.js';
import { AddAttemptsBeforeResend1764900000000 } from './migrations/1764900000000-add-attempts-before-resend.js';
import { RetainBehaviorsWithBatches1764900100000 } from './migrations/1764900100000-retain-behaviors-with-batches.js';
import { FindDueBehaviorsByReceiver1764900200000 } from './migrations/1764900200000-find-due-behaviors-by-receiver.js';
import { KeepAnswersAsGiven1765000000000 } from './migrations/1765000000000-keep-answers-as-given.js';
import { OneOutbox1765100000000 } from './migrations/1765100000000-one-outbox.js';
import { AddPermissions1765200000000 } from './migrations/1765200000000-add-permissions.js';
import { AddPauseReasons1765300000000 } from './migrations/1765300000000-add-pause-reasons.js';
import { NormalizeIdentifiers1765310000000 } from './migrations/1765310000000-normalize-identifiers.js';
import { AddSchemaCompatibility1765320000000 } from './migrations/1765320000000-add-schema-compatibility.js';
import { CountMails1765400000000 } from './migrations/1765400000000-count-mails.js';
import { AddPasswordStates1765410000000 } from './migrations/1765410000000-add-password-states.js';
import { AddRecordErrors1765500000000 } from './migrations/1765500000000-add-record-errors.js';
import { AppendOutcomes1765510000000 } from './migrations/1765510000000-append-outcomes.js';
import { FindRefusedRecords1765520000000 } from './migrations/1765520000000-find-refused-records.js';
import { DescribeSessions1765600000000 } from './migrations/1765600000000-describe-sessions.js';
import { AddIdentityProvider1765610000000 } from './migrations/1765610000000-add-identity-provider.js';
import { AddAccountLinks1765620000000 } from './migrations/1765620000000-add-account-links.js';
import { ExtendAuditLog1765700000000 } from './migrations/1765700000000-extend-audit-log.js';
import { EmptyAgain1765710000000 } from './migrations/1765710000000-empty-again.js';
import { FindUnconfirmedUploads1765800000000 } from './migrations/1765800000000-find-unconfirmed-uploads.js';
import { StoreUploads1765900000000 } from './migrations/1765900000000-store-uploads.js';
import { PreviewChanges1765910000000 } from './migrations/1765910000000-preview-changes.js';
import { KeepLeftOutColumns1766000000000 } from './migrations/1766000000000-keep-left-out-columns.js';
import { AddFixes1766100000000 } from './migrations/1766100000000-add-fixes.js';
import { ControlRuns1766300000000 } from './migrations/1766300000000-control-runs.js';
import { RunPreviewsInBackground1766330000000 } from './migrations/1766330000000-run-previews-in-background.js';
import { AddDryRuns1766320000000 } from './migrations/1766320000000-add-dry-runs.js';
import { CountExistingThings1766310000000 } from './migrations/1766310000000-count-existing-things.js';
import { AddTableShapes1766900000000 } from './migrations/1766900000000-add-table-shapes.js';
import { AddWebhookEndpoints1767000000000 } from './migrations/1767000000000-add-webhook-endpoints.js';
import { AddUndo1766910000000 } from './migrations/1766910000000-add-undo.js';
import { ResumeUploads1766340000000 } from './migrations/1766340000000-resume-uploads.js';
import { SaveMappings1767010000000 } from './migrations/1767010000000-save-mappings.js';

/** All migrations, oldest first. */
export const MIGRATIONS = [
  CreateTables1764000000000,
  AddBehaviorOutbox1764100000000,
  AddUploads1764300000000,
  AddPreview1764300100000,
  AddUsersAndSessions1764400000000,
  AddRetention1764500000000,
  StoreHashesUncompressed1764600000000,
  AddResends1764700000000,
  KeepLogAsWritten1764800000000,
  AddAttemptsBeforeResend1764900000000,
  RetainBehaviorsWithBatches1764900100000,
  FindDueBehaviorsByReceiver1764900200000,
  KeepAnswersAsGiven1765000000000,
  OneOutbox1765100000000,
  AddPermissions1765200000000,
  AddPauseReasons1765300000000,
  NormalizeIdentifiers1765310000000,
  AddSchemaCompatibility1765320000000,
  CountMails1765400000000,
  AddPasswordStates1765410000000,
  AddRecordErrors1765500000000,
  AppendOutcomes1765510000000,
  FindRefusedRecords1765520000000,
  DescribeSessions1765600000000,
  AddIdentityProvider1765610000000,
  AddAccountLinks1765620000000,
  ExtendAuditLog1765700000000,
  EmptyAgain1765710000000,
  FindUnconfirmedUploads1765800000000,
  StoreUploads1765900000000,
  PreviewChanges1765910000000,
  KeepLeftOutColumns1766000000000,
  AddFixes1766100000000,
  ControlRuns1766300000000,
  CountExistingThings1766310000000,
  AddDryRuns1766320000000,
  RunPreviewsInBackground1766330000000,
  AddTableShapes1766900000000,
  AddWebhookEndpoints1767000000000,
  AddUndo1766910000000,
  ResumeUploads1766340000000,
  SaveMappings1767010000000,
];
