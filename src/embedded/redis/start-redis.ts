import { randomBytes } from 'node:crypto';
import { ChildServer } from '../child-server.js';
import { freePort } from '../free-port.js';
import { endProcess, recordedProcess } from '../running-process.js';
import type { RunningServer } from '../running-server.js';
import { ServerStartError } from '../server-start.error.js';
import { findRedisServer } from './find-redis-server.js';
import { redisProgram, redisRecordFile, redisUrl } from './redis-program.js';

const ATTEMPTS = 3;

/** Starts a Redis of our own, behind a password of this run, after ending one that a killed run left behind. */
export async function startRedis(directory: string): Promise<RunningServer> {
  const leftOver = recordedProcess(redisRecordFile(directory));
  if (leftOver) await endProcess(leftOver);
  const command = await findRedisServer();

  for (let attempt = 1; ; attempt++) {
    const settings = {
      command,
      directory,
      port: await freePort(),
      password: randomBytes(18).toString('base64url'),
    };
    const server = new ChildServer(redisProgram(settings));
    try {
      await server.start();
      return { url: redisUrl(settings), stop: () => server.stop() };
    } catch (error) {
      if (attempt === ATTEMPTS || !portWasTaken(error)) throw error;
    }
  }
}

/** By somebody who came between our look and the start. */
function portWasTaken(error: unknown): boolean {
  return error instanceof ServerStartError && /in use/i.test(error.said);
}
