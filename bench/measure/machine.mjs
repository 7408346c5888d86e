import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

const root = new URL('../../', import.meta.url);

/** Where and on what it was measured. */
export function describeMachine() {
  const { dependencies } = JSON.parse(readFileSync(new URL('bench/package.json', root), 'utf8'));
  const { version } = JSON.parse(readFileSync(new URL('node_modules/xstate/package.json', root), 'utf8'));
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: git('rev-parse', '--short', 'HEAD'),
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    v8: process.versions.v8,
    versions: { xstate: version, ...dependencies },
  };
}

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
