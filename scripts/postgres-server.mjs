import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Debian's place; undefined: it is not installed. */
function binaries() {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return undefined;
  const newest = readdirSync(root)
    .map(Number)
    .filter(Number.isFinite)
    .sort((a, b) => b - a)[0];
  return newest === undefined ? undefined : path.join(root, String(newest), 'bin');
}

const bin = binaries();

/** Whether tests with a server can run; CI installs it, so nothing is skipped there. */
export const hasPostgres = bin !== undefined || process.env.CI !== undefined;

/** Postgres refuses to run as root: Debian's package brings a user for it. */
const isRoot = process.getuid?.() === 0;

/** @param {string} command @param {string[]} args */
function asPostgres(command, args) {
  const [file, all] = isRoot ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args];
  // What goes on running must not hold on to our pipes.
  execFileSync(file, all, { cwd: tmpdir(), stdio: 'ignore' });
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A cluster of its own in a temporary folder, on loopback. */
export async function startPostgres() {
  if (bin === undefined)
    throw new Error('Postgres is not installed: apt-get install postgresql (or unset CI).');
  const dir = mkdtempSync(path.join(tmpdir(), 'troupe-postgres-'));
  if (isRoot) execFileSync('chown', ['postgres', dir]);
  const data = path.join(dir, 'data');
  const port = await freePort();
  asPostgres(path.join(bin, 'initdb'), [
    '-D',
    data,
    '-U',
    'troupe',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
  ]);
  const control = (...args) => asPostgres(path.join(bin, 'pg_ctl'), ['-D', data, '-w', ...args]);
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100`;
  const server = {
    url: `postgres://troupe@127.0.0.1:${port}/postgres`,
    start: () => control('-l', path.join(dir, 'log'), '-o', options, 'start'),
    stop: (mode) => control('-m', mode, 'stop'),
    remove() {
      try {
        server.stop('immediate');
      } catch {
        // It was stopped already.
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  server.start();
  return server;
}
