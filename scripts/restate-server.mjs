// A Restate server on loopback: installed from npm into a cache folder, started, killed and started again.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

/** The version that was tried. */
const VERSION = '1.7.12';

const cache = path.join(
  process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'),
  'troupe',
  `restate-${VERSION}`,
);
const binary = path.join(
  cache,
  'node_modules/@restatedev',
  `restate-server-${process.platform}-${process.arch}`,
  'bin/restate-server',
);

/** Installs the server where it is not installed yet; its path. */
export function installServer() {
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const what = `@restatedev/restate-server@${VERSION}`;
  const args = [
    'install',
    '--prefix',
    cache,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--silent',
    what,
  ];
  execFileSync('npm', args, { stdio: 'inherit' });
  if (!existsSync(binary))
    throw new Error(`There is no Restate server for ${process.platform}-${process.arch} on npm.`);
  return binary;
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * @param {Record<string, string>} more of its environment.
 * @returns {Promise<import('./restate-server.mjs').RestateServer>}
 */
export async function startServer(more = {}) {
  const program = installServer();
  const [node, admin, ingress] = await freePorts(3);
  const folder = mkdtempSync(path.join(tmpdir(), 'troupe-restate-'));
  const env = {
    PATH: process.env.PATH,
    RUST_LOG: 'warn',
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_BIND_IP: '127.0.0.1',
    RESTATE_BIND_PORT: String(node),
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_BASE_DIR: folder,
    RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: '256MB',
    RESTATE_DEFAULT_NUM_PARTITIONS: '4',
    ...more,
  };
  const adminUrl = `http://127.0.0.1:${admin}`;
  const ingressUrl = `http://127.0.0.1:${ingress}`;
  let child;

  const isUp = async () => {
    const answers = await Promise.all(
      [`${adminUrl}/health`, `${ingressUrl}/restate/health`].map((url) => fetch(url).catch(() => undefined)),
    );
    return answers.every((answer) => answer?.ok);
  };

  const start = async () => {
    const started = spawn(program, ['--no-logo'], { env, stdio: 'ignore' });
    child = started;
    const until = Date.now() + 60_000;
    while (!(await isUp())) {
      if (started.exitCode !== null) throw new Error(`The Restate server ended with ${started.exitCode}.`);
      if (Date.now() > until) throw new Error('The Restate server did not come up within 60 s.');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  const kill = async () => {
    const killed = child;
    if (killed.exitCode !== null || killed.signalCode !== null) return;
    const gone = new Promise((resolve) => killed.once('exit', resolve));
    killed.kill('SIGKILL');
    await gone;
  };

  await start();
  return {
    version: VERSION,
    admin: adminUrl,
    ingress: ingressUrl,
    start,
    kill,
    async register(uri, more = {}) {
      const answer = await fetch(`${adminUrl}/deployments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ uri, force: true, ...more }),
      });
      if (!answer.ok) throw new Error(`${uri} could not be registered: ${await answer.text()}`);
    },
    async query(sql) {
      const answer = await fetch(`${adminUrl}/query`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ query: sql }),
      });
      return (await answer.json()).rows;
    },
    async stop() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

if (process.argv[2] === '--install') console.log(installServer());
