// What `import 'troupe'` loads: its own code, three packages and a few modules of Node's; no adapter, nothing of the
// other doors. Over the built package: npm run build:js && node scripts/check-imports.mjs
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const PACKAGES = new Set(['xstate', 'zod', 'p-limit', 'yocto-queue']);
const BUILTINS = new Set(['node:async_hooks', 'node:crypto', 'node:diagnostics_channel']);
/** Names that stand in the code of the other doors only. */
const ELSEWHERE = /createSimulation|storeContract|failurePaths|startViewer\(|COMMANDS/;

const hooks = `export async function load(url, context, next) { console.log(url); return next(url, context); }`;
const asUrl = (code) => `data:text/javascript,${encodeURIComponent(code)}`;
const register = asUrl(`import { register } from 'node:module'; register(${JSON.stringify(asUrl(hooks))});`);
const entry = `import ${JSON.stringify(path.join(root, 'dist/index.js'))}`;
const loaded = execFileSync(
  process.execPath,
  ['--no-warnings', '--import', register, '--input-type=module', '-e', entry],
  { encoding: 'utf8' },
)
  .split('\n')
  .filter((url) => url !== '' && !url.startsWith('data:'));

const strange = loaded.filter((url) => {
  if (url.startsWith('node:')) return !BUILTINS.has(url);
  const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  if (name !== undefined) return !PACKAGES.has(name);
  return !url.includes('/dist/') || ELSEWHERE.test(readFileSync(new URL(url), 'utf8'));
});
if (strange.length > 0) {
  console.error(`\`import 'troupe'\` loads what it does not need:\n${strange.join('\n')}`);
  process.exit(1);
}
console.log(`\`import 'troupe'\` loads ${loaded.length} modules: its own, ${[...PACKAGES].join(', ')}.`);
