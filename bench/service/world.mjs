// The example service with what it needs: Postgres, and a model that fails. Each is a process of its own.
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { startPostgres } from '../../scripts/postgres-server.mjs';

const root = path.join(import.meta.dirname, '../..');
const service = path.join(root, 'examples/service');

/** `import 'troupe'` in an example: as `npm install` would link it. */
export function linkTroupe(folder = service) {
  const modules = path.join(folder, 'node_modules');
  if (existsSync(path.join(modules, 'troupe'))) return;
  mkdirSync(modules, { recursive: true });
  symlinkSync(root, path.join(modules, 'troupe'));
}

/**
 * @param {{ shortestMs?: number, longestMs?: number, failing?: number, env?: Record<string, string> }} options
 */
export async function startWorld({ shortestMs = 200, longestMs = 800, failing = 0.2, env = {} } = {}) {
  linkTroupe();
  const postgres = await startPostgres();
  const model = fork(
    path.join(import.meta.dirname, 'model.mjs'),
    [shortestMs, longestMs, failing].map(String),
  );
  const [modelPort] = await once(model, 'message');
  const modelUrl = `http://127.0.0.1:${modelPort}`;
  const world = {
    postgres,
    /** @type {import('node:child_process').ChildProcess} */
    process: /** @type {never} */ (undefined),
    url: '',
    errors: '',
    async startService(port = 0) {
      const child = spawn(process.execPath, ['--expose-gc', 'src/main.js'], {
        cwd: service,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          PORT: String(port),
          DATABASE_URL: postgres.url,
          API_KEYS: 'ann:secret-a,bob:secret-b',
          MODEL_URL: modelUrl,
          MODEL: 'stand-in',
          MODEL_CALLS: '3000',
          MAX_RUNS: '5000',
          MAX_RUNS_PER_CALLER: '5000',
          RUN_COST_USD: '0.05',
          ...env,
        },
      });
      world.process = child;
      child.stderr.on('data', (part) => (world.errors += String(part)));
      world.url = await new Promise((resolve, reject) => {
        child.stdout.on('data', (part) => {
          const [url] = /http:\S+/.exec(String(part)) ?? [];
          if (url) resolve(url);
        });
        child.on('exit', () => reject(new Error(`The service ended: ${world.errors}`)));
      });
    },
    /** Resident memory of the service, in MiB. */
    memory() {
      const status = readFileSync(`/proc/${world.process.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    async answered() {
      const response = await fetch(`${modelUrl}/answered`);
      return /** @type {{ calls: number, keys: number, answeredTwice: string[], mostAtOnce: number }} */ (
        await response.json()
      );
    },
    async stop() {
      model.kill();
      if (world.process.exitCode === null && world.process.signalCode === null) {
        world.process.kill('SIGTERM');
        await once(world.process, 'exit');
      }
      postgres.remove();
      return world.process.exitCode;
    },
  };
  await world.startService();
  return world;
}
