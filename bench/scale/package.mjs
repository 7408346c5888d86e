import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quartiles } from '../measure/statistics.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bench = fileURLToPath(new URL('../', import.meta.url));
const IMPORTED = ['cockatiel', 'opossum', 'effect', 'ai', '@langchain/langgraph'];

/** Milliseconds that an import adds to a process that does nothing else. */
export function startUp(isQuick) {
  const rounds = isQuick ? 7 : 21;
  const time = (code) => {
    const begin = performance.now();
    execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: bench });
    return performance.now() - begin;
  };
  const sources = { nothing: '0', troupe: `import ${JSON.stringify(join(root, 'dist/index.js'))}` };
  for (const name of IMPORTED) sources[name] = `import ${JSON.stringify(name)}`;
  const times = Object.fromEntries(Object.keys(sources).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, code] of Object.entries(sources)) times[name].push(time(code));
  }
  const median = (name) => quartiles(times[name]).median - quartiles(times.nothing).median;
  const peers = IMPORTED.map((name) => `${name} ${Math.round(median(name))}`);
  return [
    {
      what: 'Start-up: `import "troupe"`, over an empty process',
      value: `${Math.round(median('troupe'))} ms`,
    },
    { what: 'Start-up of the peers', value: `${peers.join(', ')} ms` },
  ];
}

/** What an installation of the packed package brings, and of each peer in an empty folder of its own. */
export function installSize() {
  const { dependencies } = JSON.parse(readFileSync(join(bench, 'package.json'), 'utf8'));
  const troupe = inEmptyFolder((folder) => {
    const packed = npm(root, 'pack', '--silent', '--pack-destination', folder).trim().split('\n').at(-1);
    return installed(folder, 'troupe', join(folder, packed));
  });
  const peers = IMPORTED.map((name) => {
    // LangGraph.js wants its core beside it.
    const core =
      name === '@langchain/langgraph' ? [`@langchain/core@${dependencies['@langchain/core']}`] : [];
    const { all, packages } = inEmptyFolder((folder) =>
      installed(folder, name, `${name}@${dependencies[name]}`, ...core),
    );
    return `${name} ${all} MB in ${packages}`;
  });
  return [
    {
      what: 'Installed: Troupe itself, and with its dependencies',
      value: `${troupe.itself} MB, ${troupe.all} MB in ${troupe.packages} packages`,
    },
    { what: 'Installed: the peers with theirs, in packages', value: peers.join(', ') },
  ];
}

function inEmptyFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-size-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8' });

function installed(folder, name, ...specs) {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm(folder, 'i', '--silent', '--no-audit', '--no-fund', ...specs);
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const modules = join(folder, 'node_modules');
  const mb = (path) => (sizeOf(path) / 1e6).toFixed(1);
  return { itself: mb(join(modules, name)), all: mb(modules), packages: Object.keys(packages).length - 1 };
}

function sizeOf(path) {
  const found = lstatSync(path);
  if (!found.isDirectory()) return found.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
