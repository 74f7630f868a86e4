import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { type AcceptedBatch, batchHasEnded, type ClientBatch } from '../client/index.js';
import {
  clientOf,
  connectionOf,
  type ConnectionOptions,
  describeProcess,
  findImportProcess,
} from './connection.js';
import { InputFile } from './input-file.js';
import { addKeyCommands } from './key-commands.js';
import { FailedRows, saveStream, sendLines, uploadFile, waitForEnd } from './sending.js';
import {
  CommandError,
  EXIT,
  exitCodeOf,
  readingChoice,
  type Run,
  type Running,
  type Session,
  wholeNumber,
} from './session.js';
import { batchText, number, progressText, table, Terminal } from './terminal.js';

interface GlobalOptions extends ConnectionOptions {
  json: boolean;
}

const EXIT_CODES = `
Exit codes: 0 all succeeded, 2 completed with errors, 3 failed or canceled, 4 refused, 5 not reachable,
6 awaiting confirmation, 64 wrong usage.
Environment: IMPORT_QUEUE_URL and IMPORT_QUEUE_KEY. Profiles: ~/.config/import-queue/profile.json, mode 0600.`;

/** The commands. Each runs once with the arguments of the process. */
export function program(signal: AbortSignal): Command {
  const root = new Command('import-queue')
    .description('Sends files to the import queue and follows imports.')
    .option('--url <url>', 'address of the service')
    .option(
      '--key <key>',
      'API key; other users of this machine can see it here, but not in IMPORT_QUEUE_KEY',
    )
    .option('--profile <name>', 'profile to use instead of the environment')
    .option('--json', 'print JSON for programs', false)
    .option('--retries <n>', 'how often a call that can be repeated is repeated', wholeNumber, 5)
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(import-queue --help explains the commands)')
    .exitOverride();

  /** Connects when the command runs, so that help needs no connection. */
  const running =
    <Arguments extends unknown[]>(run: Run<Arguments>) =>
    async (...given: unknown[]): Promise<void> => {
      const options = root.opts<GlobalOptions>();
      const connection = connectionOf(options);
      const terminal = new Terminal(options.json);
      const client = clientOf(connection, options);
      try {
        // Commander adds itself as the last argument.
        const session = { url: connection.url, client, terminal, signal };
        process.exitCode = await run(session, ...(given.slice(0, -1) as Arguments));
      } finally {
        terminal.clear();
      }
    };

  addSendingCommands(root, running);
  addBatchCommands(root, running);
  addKeyCommands(root, running);
  root
    .command('processes')
    .description('list the import processes that the key may use')
    .action(
      running(async ({ client, terminal }) => {
        const processes = await client.importProcesses();
        for (const process of processes) terminal.result(describeProcess(process), process);
        return EXIT.ok;
      }),
    );
  root
    .command('doctor')
    .description(
      'check the invariants of the database of DATABASE_URL; exits 0 (well), 1 (not) or 2 (not examined)',
    )
    .option('--quick', 'leave out checks that read every record')
    .option('--repair', 'try repairs, and take them back')
    .option('--apply', 'store the repairs')
    .action(async (flags: Record<string, boolean>) => {
      const given = { ...flags, json: root.opts<GlobalOptions>().json };
      const names = Object.entries(given).filter(([, isSet]) => isSet);
      // The doctor is a program of its own, which reads its arguments itself.
      process.argv.splice(2, Infinity, ...names.map(([name]) => `--${name}`));
      await import('../operations/doctor/main.js');
    });
  return root;
}

interface PushOptions {
  process: string;
  wait?: boolean;
  yes?: boolean;
  validate?: boolean;
  gzip?: boolean;
  idempotencyKey?: string;
  failedRows?: string;
  fileName?: string;
  creationPath: string;
  successMail?: string;
  failureMail?: string;
  read: Record<string, string>;
}

function addSendingCommands(root: Command, running: Running): void {
  const sending = (command: Command) =>
    command
      .requiredOption('--process <process>', 'import process: its id, its key or its exact name')
      .option(
        '--idempotency-key <key>',
        'send nothing twice under this key; "auto" makes one from the content',
      )
      .option('--file-name <name>', 'name that the import gets; default: that of the file')
      .option('--creation-path <path>', 'name of the source of the import', 'CLI')
      .option('--success-mail <address>', 'mail this address if every record succeeded')
      .option('--failure-mail <address>', 'mail this address if something failed')
      .option(
        '--read <choice=value>',
        'choice of the reading of a file, such as encoding=windows-1252',
        readingChoice,
        {},
      );

  sending(root.command('push'))
    .argument('<file>', '.jsonl, .ndjson, .csv, .tsv, .xlsx or .ods, or - for JSON Lines from standard input')
    .description('send a file; tables await confirmation unless --yes is given')
    .option('--wait', 'wait for the end of the import')
    .option('--yes', 'confirm a table without a look at its summary')
    .option('--validate', 'check JSON Lines without processing them')
    .option('--gzip', 'compress JSON Lines on their way')
    .option('--failed-rows <file>', 'wait, and write the failed rows to a .csv, .jsonl or .xlsx file')
    .action(
      running(async (session, path: string, options: PushOptions) => {
        const failedRows = options.failedRows === undefined ? undefined : FailedRows.at(options.failedRows);
        const input = await InputFile.of(path, options.fileName);
        if (input.isUploaded && options.gzip === true) throw new CommandError('--gzip is for JSON Lines.');
        if (input.isUploaded && options.validate === true) {
          throw new CommandError(
            '--validate is for JSON Lines: a table is checked and awaits confirmation anyway.',
          );
        }
        if (!input.isUploaded && Object.keys(options.read).length > 0) {
          throw new CommandError('--read is for tables: JSON Lines are read in one way.');
        }
        try {
          const batch = await send(session, input, options);
          const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, status } = batch;
          const isConfirmed = status !== 'awaiting_confirmation';
          if (
            isConfirmed &&
            (options.wait === true || options.validate === true || failedRows !== undefined)
          ) {
            return await waitForEnd(session, id, failedRows);
          }
          session.terminal.result(batchText(batch), batch);
          if (!isConfirmed) session.terminal.note(`To process it: import-queue confirm ${id}`);
          return exitCodeOf(status);
        } finally {
          await input.close();
        }
      }),
    );

  sending(root.command('upload'))
    .argument('<file>', 'as for push')
    .description('upload a file of any kind, which then awaits confirmation')
    .action(
      running(async (session, path: string, options: PushOptions) => {
        const input = await InputFile.of(path, options.fileName);
        try {
          const batch = await uploadFile(session, input, await sendingOptions(session, options));
          session.terminal.result(batchText(batch), batch);
          return exitCodeOf(batch.status);
        } finally {
          await input.close();
        }
      }),
    );
}

async function send(session: Session, input: InputFile, options: PushOptions): Promise<AcceptedBatch> {
  const sendOptions = await sendingOptions(session, options);
  if (!input.isUploaded) return sendLines(session, input, sendOptions);
  const batch = await uploadFile(session, input, sendOptions);
  if (batch.status !== 'awaiting_confirmation' || options.yes !== true) return batch;
  return session.client.act(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 'Confirm', session.signal);
}

async function sendingOptions({ client }: Session, options: PushOptions) {
  const { creationPath, successMail, failureMail, gzip = false, idempotencyKey, read, validate } = options;
  const importProcessId = await findImportProcess(client, options.process);
  return {
    importProcessId,
    creationPath,
    successMail,
    failureMail,
    gzip,
    idempotencyKey,
    reading: read,
    validate,
  };
}

function addBatchCommands(root: Command, running: Running): void {
  const aboutBatch = (name: string, description: string) =>
    root.command(name).description(description).argument('<batch>', 'id of the import', wholeNumber);
  const waiting = (command: Command) =>
    command
      .option('--wait', 'wait for the end of the import')
      .option('--failed-rows <file>', 'wait, and write the failed rows to a .csv, .jsonl or .xlsx file');

  aboutBatch('status', 'show an import; the exit code tells its status').action(
    running((session, id: number) => show(session, () => session.client.batch(id), exitCodeOf)),
  );
  aboutBatch('tail', 'follow an import until it ends').action(
    running(async ({ client, terminal, signal }, id: number) => {
      for await (const event of client.events(id, signal)) {
        const { status } = event.batch;
        if (event.type === 'progress') terminal.result(progressText(event), event.batch);
        else if (batchHasEnded(status)) {
          terminal.result(batchText(event.batch), event.batch);
          return exitCodeOf(status);
        }
      }
      return EXIT.ok;
    }),
  );
  aboutBatch('preview', 'show what each row of an upload would do')
    .option('--operation <operation>', 'only created, updated, unchanged, skipped, rejected or invalid')
    .action(
      running(async ({ client, terminal }, id: number, { operation }: { operation?: string }) => {
        for await (const item of client.preview(id, { operation })) {
          const changes = item.changes.map(
            ({ field, before, after }) => `${field}: ${shown(before)} → ${shown(after)}`,
          );
          const parts = [`line ${item.line}`, item.operation, item.error?.message, ...changes];
          terminal.result(parts.filter((part) => part !== undefined).join('  '), item);
        }
        return EXIT.ok;
      }),
    );
  aboutBatch('results', 'download the records with their outcomes, or the failed rows')
    .option('--set <set>', 'all, succeeded, failed or unprocessed', 'all')
    .option('--format <format>', 'jsonl, csv or xlsx; default: that of the file that was sent')
    .option('--output <file>', 'default: standard output')
    .action(
      running(
        async ({ client, terminal, signal }, id: number, { output, ...query }: Record<string, string>) => {
          const stream = await client.results(id, { ...query, signal });
          if (output === undefined) await pipeline(Readable.fromWeb(stream), process.stdout, { end: false });
          else {
            await saveStream(stream, output);
            terminal.note(`Wrote ${output}.`);
          }
          return EXIT.ok;
        },
      ),
    );
  waiting(aboutBatch('confirm', 'process an upload that awaits confirmation')).action(
    running(acting('Confirm')),
  );
  waiting(aboutBatch('retry', 'send the failed records again, as a new import')).action(
    running(acting('RetryFailed')),
  );
  waiting(aboutBatch('undo', 'take back what an import changed, with a new import')).action(
    running(acting('Undo')),
  );
  aboutBatch('cancel', 'cancel an import').action(
    running((session, id: number) =>
      show(
        session,
        () => session.client.act(id, 'Cancel'),
        () => EXIT.ok,
      ),
    ),
  );
  root
    .command('list')
    .description('list imports, newest first')
    .option('--status <status>', 'only those with this status')
    .option('--process <process>', 'only those of this import process')
    .option('--q <text>', 'only those whose file name contains this text')
    .addOption(new Option('--limit <n>', 'how many').argParser(wholeNumber).default(20))
    .action(running(list));
}

function acting(
  action: 'Confirm' | 'RetryFailed' | 'Undo',
): Run<[number, { wait?: boolean; failedRows?: string }]> {
  return async (session, id, options) => {
    const failedRows = options.failedRows === undefined ? undefined : FailedRows.at(options.failedRows);
    const batch = await session.client.act(id, action, session.signal);
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: actedOn } = batch;
    if (options.wait === true || failedRows !== undefined) return waitForEnd(session, actedOn, failedRows);
    return show(session, () => Promise.resolve(batch), exitCodeOf);
  };
}

async function show(
  { terminal }: Session,
  read: () => Promise<ClientBatch>,
  code: (status: ClientBatch['status']) => number,
): Promise<number> {
  const batch = await read();
  terminal.result(batchText(batch), batch);
  return code(batch.status);
}

interface ListOptions {
  status?: string;
  process?: string;
  q?: string;
  limit: number;
}

async function list(
  { client, terminal }: Session,
  { limit, process: wanted, ...filter }: ListOptions,
): Promise<number> {
  const importProcessId = wanted === undefined ? undefined : await findImportProcess(client, wanted);
  const batches: ClientBatch[] = [];
  for await (const batch of client.batches({ ...filter, importProcessId, limit: Math.min(limit, 200) })) {
    batches.push(batch);
    if (batches.length >= limit) break;
  }
  if (terminal.json) for (const batch of batches) terminal.result('', batch);
  else {
    const headers = ['ID', 'STATUS', 'RECORDS', 'FAILED', 'CREATED', 'FILE', 'PROCESS'];
    const rows = batches.map(({ recordCounts: { total, failed, invalid, unknown }, ...batch }) => [
      String(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID),
      batch.status,
      number.format(total),
      number.format(failed + invalid + unknown),
      batch.createdAt,
      batch.fileName,
      batch.importProcessName,
    ]);
    terminal.result(table(headers, rows), null);
  }
  return EXIT.ok;
}

function shown(value: unknown): string {
  return value === null || value === undefined ? '(none)' : JSON.stringify(value);
}
