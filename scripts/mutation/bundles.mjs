import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** What was built, for the next process in the sandbox. */
const DONE = 'test-bundles.json';
const TEST = /\.test\.ts$/;
/**
 * What walks a chart, or compares it with an oracle on thousands of sequences, takes seconds for every mutant that lives.
 * It is left out, so a score can only be too low. `MUTATION_WALKS=1` brings it back.
 */
const WALKS = /\.(?:model|oracle)\.test\.ts$/;
const isLeftOut = (file) => process.env['MUTATION_WALKS'] === undefined && WALKS.test(file);
/** What the tests get in the place of these. */
const REPLACED = /^(?:vitest|fast-check)$/;

/**
 * Every test file of some folders, or some test files, each as one module with what it uses of `src` inside it: imported
 * again, it begins anew. The modules lie beside the tests, so that `import.meta.url` leads to the same places.
 *
 * @returns {Promise<{ test: string, url: string, sources: Set<string> }[]>} paths are absolute.
 */
export async function bundleTests(places) {
  const tests = places.flatMap((place) =>
    statSync(place).isFile()
      ? [place]
      : readdirSync(place, { recursive: true })
          .filter((file) => TEST.test(file) && !isLeftOut(file))
          .map((file) => path.join(place, file)),
  );
  const outputs = existsSync(DONE) ? JSON.parse(readFileSync(DONE, 'utf8')) : await bundle(tests);
  return Object.entries(outputs).map(([output, { entryPoint, inputs }]) => ({
    test: path.resolve(entryPoint),
    url: pathToFileURL(output).href,
    sources: new Set(Object.keys(inputs).map((input) => path.resolve(input))),
  }));
}

async function bundle(tests) {
  const { metafile } = await build({
    entryPoints: tests,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    plugins: [{ name: 'replaced', setup: replace }],
    // esbuild would take the folder in which it was loaded; Stryker goes to its sandbox after that.
    absWorkingDir: process.cwd(),
    outdir: '.',
    outbase: '.',
    outExtension: { '.js': '.bundle.mjs' },
    metafile: true,
    logLevel: 'error',
  });
  // Another process may look for it now.
  writeFileSync(`${DONE}.${process.pid}`, JSON.stringify(metafile.outputs));
  renameSync(`${DONE}.${process.pid}`, DONE);
  return metafile.outputs;
}

function replace({ onResolve }) {
  onResolve({ filter: REPLACED }, ({ path: name }) => ({
    path: new URL(`./${name}.mjs`, import.meta.url).href,
    external: true,
  }));
}
