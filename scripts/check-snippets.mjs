/**
 * Compiles every `ts` block of the README and docs/ against the built package, each as a module of its own, and runs
 * those marked `ts run`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
// Not inside node_modules: from there Node does not find the package by its own name.
const dir = path.join(root, '.snippets');
const pages = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

rmSync(dir, { recursive: true, force: true });
mkdirSync(dir, { recursive: true });

const toRun = [];
let count = 0;
for (const page of pages) {
  const text = readFileSync(path.join(root, page), 'utf8');
  for (const match of text.matchAll(/^```ts( run)?\n(.*?)^```/gms)) {
    count += 1;
    const line = text.slice(0, match.index).split('\n').length;
    const name = `${page.replaceAll(/[/.]/g, '_')}_${line}`;
    writeFileSync(path.join(dir, `${name}.mts`), `${match[2]}\nexport {};\n`);
    if (match[1]) toRun.push({ name, page, line });
  }
}

const config = {
  extends: path.join(root, 'tsconfig.json'),
  compilerOptions: {
    noEmit: false,
    outDir: path.join(dir, 'out'),
    rootDir: dir,
    noUnusedLocals: false,
    noUnusedParameters: false,
    // The built package, as its users have it.
    paths: {},
  },
  include: [path.join(dir, '*.mts')],
};
writeFileSync(path.join(dir, 'tsconfig.json'), JSON.stringify(config));
execFileSync('npx', ['tsc', '-p', dir], { cwd: root, stdio: 'inherit' });
for (const { name, page, line } of toRun) {
  try {
    execFileSync(process.execPath, [path.join(dir, 'out', `${name}.mjs`)], {
      cwd: root,
      stdio: 'pipe',
      timeout: 60_000,
    });
  } catch (error) {
    console.error(`${page}:${line} failed:\n${error.stderr}`);
    process.exit(1);
  }
}
console.log(`${count} snippets compile, ${toRun.length} of them ran.`);
rmSync(dir, { recursive: true, force: true });
