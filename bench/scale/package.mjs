import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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

/** What an installation of the packed package brings. */
export function installSize() {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-size-'));
  try {
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    execFileSync(
      'npm',
      ['i', '--silent', '--no-audit', '--no-fund', join(folder, packed.split('\n').at(-1))],
      {
        cwd: folder,
      },
    );
    const modules = join(folder, 'node_modules');
    const packages = readdirSync(modules).flatMap((name) =>
      name.startsWith('.') ? [] : name.startsWith('@') ? readdirSync(join(modules, name)) : [name],
    );
    const mb = (path) => (sizeOf(path) / 1e6).toFixed(1);
    return [
      {
        what: 'Installed: Troupe itself, and with its dependencies',
        value: `${mb(join(modules, 'troupe'))} MB, ${mb(modules)} MB in ${packages.length} packages`,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sizeOf(path) {
  const found = lstatSync(path);
  if (!found.isDirectory()) return found.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
