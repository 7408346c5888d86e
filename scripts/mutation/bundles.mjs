import { readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const SUFFIX = '.test.ts';
const shim = new URL('./vitest.mjs', import.meta.url).href;

/**
 * Every test file of some folders as one module, with what it uses of `src` inside it: imported again, it begins anew.
 * The modules lie beside the tests, so that `import.meta.url` leads to the same places.
 *
 * @returns {Promise<{ test: string, url: string, sources: Set<string> }[]>} paths are absolute.
 */
export async function bundleTests(folders) {
  const tests = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => path.join(folder, file)),
  );
  const { metafile } = await build({
    entryPoints: tests,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    plugins: [{ name: 'vitest', setup: redirectVitest }],
    // esbuild would take the folder in which it was loaded; Stryker goes to its sandbox after that.
    absWorkingDir: process.cwd(),
    outdir: '.',
    outbase: '.',
    outExtension: { '.js': '.bundle.mjs' },
    metafile: true,
    logLevel: 'error',
  });
  return Object.entries(metafile.outputs).map(([output, { entryPoint, inputs }]) => ({
    test: path.resolve(entryPoint),
    url: pathToFileURL(output).href,
    sources: new Set(Object.keys(inputs).map((input) => path.resolve(input))),
  }));
}

function redirectVitest({ onResolve }) {
  onResolve({ filter: /^vitest$/ }, () => ({ path: shim, external: true }));
}
