import { totalmem } from 'node:os';

export type PostgresSettings = Readonly<Record<string, string>>;

const MB = 1024 ** 2;

/**
 * Settings for a machine that the server shares with the application. What is promised rests on
 * `fsync` and `synchronous_commit`: both stay on.
 */
export function postgresSettings(): PostgresSettings {
  return {
    listen_addresses: '127.0.0.1',
    // No socket: in /tmp it would meet those of other servers on the same port.
    unix_socket_directories: '',
    fsync: 'on',
    synchronous_commit: 'on',
    shared_buffers: `${Math.round(between(128, totalmem() / 8 / MB, 1024))}MB`,
    // Big loads would otherwise force a checkpoint, and whole-page writes after it, every few seconds.
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    // Nobody replicates from an embedded server.
    wal_level: 'minimal',
    max_wal_senders: '0',
    random_page_cost: '1.1',
    // Our statements are many and short: compiling them costs more than it saves.
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The program's parent reads this log when a start fails, in any locale.
    lc_messages: 'C',
  };
}

function between(lowest: number, value: number, highest: number): number {
  return Math.min(Math.max(value, lowest), highest);
}
