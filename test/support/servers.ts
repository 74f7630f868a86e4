import 'reflect-metadata';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { startEmbeddedServers } from '../../dev/embedded/embedded-servers.js';
import { dataSourceOptions } from '../../src/app/database.js';
import { databaseNamed, TEMPLATE_DATABASE } from './test-database.js';

let started: Promise<void> | undefined;
let stop = () => Promise.resolve();

/**
 * Once for all test files of a run: the servers of DATABASE_URL and REDIS_URL, embedded ones in a
 * temporary directory for what is unset, and the template database that every test file clones. Jest asks once per
 * project with a set-up of its own.
 */
export function startServers(): Promise<void> {
  return (started ??= start());
}

async function start(): Promise<void> {
  Logger.overrideLogger(['error', 'warn']);
  const dataDir = await mkdtemp(join(tmpdir(), 'wiq-test-'));
  // As root, PostgreSQL runs as another user, who has to get in.
  await chmod(dataDir, 0o755);
  const servers = await startEmbeddedServers(
    {
      databaseUrl: process.env.DATABASE_URL || undefined,
      redisUrl: process.env.REDIS_URL || undefined,
      dataDir,
    },
    // Only the tests may: what they write is thrown away, so nothing is lost by not waiting for the disk.
    { fsync: 'off', full_page_writes: 'off', shared_buffers: '128MB', max_connections: '200' },
  );
  stop = async () => {
    await servers.stop();
    await rm(dataDir, { recursive: true });
  };
  process.env.DATABASE_URL = servers.databaseUrl;
  process.env.REDIS_URL = servers.redisUrl;
  await makeTemplate();
}

export async function stopServers(): Promise<void> {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE_DATABASE}`);
  await client.end();
  await stop();
}

async function makeTemplate(): Promise<void> {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE_DATABASE}`);
    await client.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
    const source = new DataSource(
      dataSourceOptions({
        databaseUrl: databaseNamed(TEMPLATE_DATABASE),
        databasePoolSize: 4,
        migrateOnStart: true,
      }),
    );
    await source.initialize();
    await source.destroy();
  } finally {
    await client.end();
  }
}
