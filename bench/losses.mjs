// Shows that the guard catches losses: each patch of bench/losses, on a copy of the last commit, must fail it.
// node bench/losses.mjs [--only=03]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const patches = join(root, 'bench/losses');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length) ?? '';
const tree = join(mkdtempSync(join(tmpdir(), 'troupe-losses-')), 'tree');
const git = (cwd, ...args) => execFileSync('git', args, { cwd, encoding: 'utf8' });

/** Builds the copy and runs the guard in it. */
function guard() {
  execFileSync(join(root, 'node_modules/.bin/tsup'), ['--no-dts', '--silent'], { cwd: tree });
  const { status, stderr } = spawnSync(process.execPath, ['bench/guard.mjs'], {
    cwd: tree,
    encoding: 'utf8',
  });
  const worse = stderr.split('\n').filter((line) => line.startsWith('WORSE'));
  if (status !== 0 && worse.length === 0) throw new Error(`The guard could not run: ${stderr}`);
  return { passed: status === 0, worse };
}

let missed = 0;
git(root, 'worktree', 'add', '--detach', '--quiet', tree, 'HEAD');
try {
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'), 'dir');
  const { passed, worse } = guard();
  console.log(`the tree as it is: ${passed ? 'passes' : `FAILS\n${worse.join('\n')}`}`);
  if (!passed) missed += 1;
  for (const file of readdirSync(patches).filter((each) => each.includes(only))) {
    const path = join(patches, file);
    git(tree, 'apply', path);
    const found = guard();
    git(tree, 'apply', '--reverse', path);
    if (found.passed) missed += 1;
    console.log(
      `\n${file}: ${found.passed ? 'NOT CAUGHT' : 'caught'}. ${readFileSync(path, 'utf8').split('\n')[0]}`,
    );
    for (const line of found.worse) console.log(`  ${line}`);
  }
} finally {
  git(root, 'worktree', 'remove', '--force', tree);
  rmSync(join(tree, '..'), { recursive: true, force: true });
}
process.exit(missed === 0 ? 0 : 1);
