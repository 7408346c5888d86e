import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding, VerifyReport } from '../../src/testing/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const badTools = path.join(root, 'examples/bad-tools');
const goodTools = path.join(root, 'examples/good-tools');
/** Inside the package, so that what is written there finds it by its own name. */
const folder = path.join(root, 'examples', `odd tools ${process.pid}`);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a user does. */
function verify(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [path.join(root, 'dist/cli.js'), 'verify', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function reportIn({ stdout, stderr }: Ended): VerifyReport {
  expect(stderr).toBe('');
  return JSON.parse(stdout) as VerifyReport;
}

const faults = ({ findings }: VerifyReport): Finding[] =>
  findings.filter(({ verdict }) => verdict === 'broken' || verdict === 'warning');

function write(name: string, text: string): string {
  writeFileSync(path.join(folder, name), text);
  return name;
}

/** Two at a time: more would disturb one another's clocks. */
async function twoAtATime<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<Map<T, R>> {
  const results = new Map<T, R>();
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift())
      results.set(item, await run(item));
  };
  await Promise.all([lane(), lane()]);
  return results;
}

beforeAll(() => void mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const REQUEST = JSON.stringify({ query: 'hi', question: 'Why?', text: 'You win a lot', a: 1, b: 2 });

interface BadTool {
  readonly tool: string;
  readonly check: string;
  readonly verdict: string;
}

const bad: BadTool[] = [
  ...readFileSync(path.join(badTools, 'README.md'), 'utf8').matchAll(
    /^\| \[([\w-]+)\].*\| `([\w-]+)` +\| (\w+) +\|$/gm,
  ),
].map(([, tool, check, verdict]) => ({ tool: tool!, check: check!, verdict: verdict! }));

describe('bad tools', () => {
  let ends: Map<BadTool, Ended>;
  beforeAll(async () => {
    ends = await twoAtATime(bad, ({ tool, check }) => {
      const server = readFileSync(path.join(badTools, `${tool}.js`), 'utf8').includes('fetch(');
      const args = ['--request', REQUEST, '--timeout', '1500', '--only', `answer,${check}`, '--json'];
      return verify(path.join(badTools, `${tool}.js`), ...args, ...(server ? ['--model-server'] : []));
    });
  }, 180_000);

  it('are all in the table, each with its fault in its first line', () => {
    const files = readdirSync(badTools).filter((name) => name.endsWith('.js'));
    expect(files.map((name) => name.replace('.js', '')).sort()).toEqual(bad.map(({ tool }) => tool).sort());
    for (const file of files) {
      expect(readFileSync(path.join(badTools, file), 'utf8')).toMatch(/^\/\/ Fault( \(a warning\))?: .+\n/);
    }
  });

  it.each(bad)('$tool: $check finds it', (tool) => {
    const end = ends.get(tool)!;
    const found = faults(reportIn(end)).filter(({ check }) => check === tool.check);
    expect(found.map(({ verdict }) => verdict)).toContain(tool.verdict);
    for (const { tried, happened, seen, fix } of found) {
      for (const text of [tried, happened, seen, fix]) expect(text).not.toBe('');
    }
    expect(end.code).toBe(tool.verdict === 'broken' ? 1 : 0);
  });
});

describe('good tools', () => {
  const good = readdirSync(goodTools).filter((name) => name.endsWith('.js'));
  let ends: Map<string, Ended>;
  beforeAll(async () => {
    ends = await twoAtATime(good, (name) =>
      verify(path.join(goodTools, name), '--request', REQUEST, '--model-server', '--json'),
    );
  }, 180_000);

  it.each(good)('%s passes all checks', (name) => {
    const end = ends.get(name)!;
    const report = reportIn(end);
    expect(faults(report).filter(({ verdict }) => verdict === 'broken')).toEqual([]);
    // A function says nothing of what it costs.
    const warned = faults(report).map(({ check }) => check);
    expect(warned).toEqual(name === 'add.js' ? ['usage'] : []);
    expect(end.code).toBe(0);
    expect(report.ok).toBe(true);
    expect(report.counts.kept).toBeGreaterThan(10);
  });

  it('the one that asks a model meets every failure of a provider', () => {
    const checks = reportIn(ends.get('ask.js')!).findings.filter(({ verdict }) => verdict === 'kept');
    const all =
      'answer usage request events abort-before abort-during abort-after deadline same-key event-loop crowd aftermath ' +
      'provider-429 provider-500 provider-401 provider-cut provider-nonsense provider-silent provider-slow';
    expect(new Set(checks.map(({ check }) => check))).toEqual(new Set(all.split(' ')));
  });
});

describe('what a file may hold', () => {
  const answering = async (name: string, text: string, ...args: readonly string[]) => {
    const end = await verify(write(name, text), '--only', 'answer', '--json', ...args);
    const report = reportIn(end);
    expect(end.code).toBe(0);
    return `${report.tool}: ${report.findings[0]!.happened.replace(/.* ms: /, '')}`;
  };

  it('a function, in CommonJS, in a folder with a space; a text as its request', async () => {
    const text = 'module.exports = async function shout({ query }) { return query.toUpperCase(); };';
    expect(await answering('shout.cjs', text, '--request', '"hi"')).toBe('shout: "HI"');
  });

  it('a class, next to other exports', async () => {
    const text = `const { Tool } = require('troupe');
      exports.Loud = class Loud extends Tool { name = 'loud'; execute({ q }) { console.log('!'); return { q }; } };
      exports.version = 3;`;
    expect(await answering('loud.cjs', text, '--request', '{"q":1}')).toBe('loud: {"q":1}');
  });

  it('a promise of a tool', async () => {
    const text = `import { defineTool } from 'troupe';
      export default Promise.resolve(defineTool({ name: 'promised', execute: () => 1 }));`;
    expect(await answering('promised.mjs', text)).toBe('promised: 1');
  });

  it('an object with execute, and one of several by its name', async () => {
    const text = `export const a = { name: 'first', execute: () => 1 };
      export const b = { name: 'second', execute() { return this.name; } };`;
    expect(await answering('several.mjs', text, '--export', 'b')).toBe('second: "second"');
  });

  it('a module that keeps the process alive: a warning', async () => {
    const file = write('alive.mjs', 'setInterval(() => {}, 1000); export default () => ({ ok: true });');
    const end = await verify(file, '--only', 'aftermath', '--json');
    expect(faults(reportIn(end))).toMatchObject([{ check: 'aftermath', verdict: 'warning' }]);
    expect(end.code).toBe(0);
  });
});

describe('what is printed', () => {
  it('for people: a table, and a sum', async () => {
    const { code, stdout, stderr } = await verify(
      path.join(badTools, 'returns-map.js'),
      '--only',
      'answer,crowd',
    );
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(
      /check .* what was tried .* what happened .* what a user would have seen .* what to fix/,
    );
    expect(stdout).toMatch(/^BROKEN +answer +called once +Its content is not/m);
    expect(stdout).toContain('Not tried: crowd: the tool does not answer the request.');
    expect(stdout).toMatch(/returns_map: 1 broken, 0 warned of, 0 kept, 1 skipped, in [\d.]+ s\n$/);
  });

  it('--list and --help', async () => {
    const [list, help] = await Promise.all([verify('--list'), verify('--help')]);
    expect(list.stdout).toMatch(/^answer +\S.*\n/);
    expect(list.stdout).toContain('provider-429');
    for (const flag of ['--request', '--model-server', '--only', '--json'])
      expect(help.stdout).toContain(flag);
    expect([list.code, help.code]).toEqual([0, 0]);
  });
});

describe('arguments that cannot be used: one line, exit code 2, nothing on stdout', () => {
  const strict = `import { defineTool } from 'troupe';
    import * as z from 'zod';
    export default defineTool({ name: 'strict', input: z.object({ q: z.string() }), execute: ({ q }) => q });`;
  const needy = `import { Tool } from 'troupe';
    export default class Needy extends Tool {
      name = 'needy';
      constructor({ key }) { super(); this.key = key; }
      execute() { return 1; }
    }`;
  const cases: { name?: string; text?: string; args: string[]; says: string | RegExp }[] = [
    { args: [], says: 'Name the file of the tool. See --help.' },
    { args: ['a.js', 'b.js'], says: 'One file at a time; "b.js" is one more.' },
    { args: ['missing.js'], says: /There is no file .*missing\.js\./ },
    { args: ['.'], says: 'is no file' },
    { name: 'ok.mjs', text: 'export default () => 1', args: ['--nope'], says: "Unknown option '--nope'" },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--request', '{bad'],
      says: '--request must be JSON',
    },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--request', '@no.json'],
      says: 'cannot read no.json',
    },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--tool-options', '[]'],
      says: 'must be a JSON object',
    },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--timeout', '0'],
      says: '--timeout must be a whole number',
    },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--only', 'nope'],
      says: 'there is no check "nope"',
    },
    {
      name: 'ok.mjs',
      text: 'export default () => 1',
      args: ['--only', 'provider-429'],
      says: 'the check "provider-429" needs --model-server',
    },
    {
      name: 'syntax.mjs',
      text: 'const a = 1;\nexport default {{{',
      args: [],
      says: /SyntaxError: .*\(line 2\)/,
    },
    {
      name: 'none.mjs',
      text: 'export const x = 1, y = 2;',
      args: [],
      says: 'There is no tool in it. It exports "x", "y".',
    },
    {
      name: 'two.mjs',
      text: 'export const a = { execute() {} }, b = { execute() {} };',
      args: [],
      says: 'There are several tools in it: a, b. Name one with --export.',
    },
    {
      name: 'two.mjs',
      text: 'export const a = 1;',
      args: ['--export', 'c'],
      says: 'no export "c". It exports "a".',
    },
    {
      name: 'strict.mjs',
      text: strict,
      args: [],
      says: 'The tool "strict" refuses the request {}: q: Invalid input',
    },
    { name: 'needy.mjs', text: needy, args: [], says: 'The class Needy cannot be made without arguments' },
    {
      name: 'throws.mjs',
      text: 'throw new Error("no config")',
      args: [],
      says: 'could not be loaded: no config',
    },
    { name: 'exits.mjs', text: 'process.exit(4)', args: [], says: 'the exit code 4 while it was loaded' },
    {
      name: 'waits.mjs',
      text: 'await new Promise(() => {});',
      args: ['--timeout', '100'],
      says: 'it did not finish loading',
    },
    { name: 'imports.mjs', text: 'import "not-there"', args: [], says: "Cannot find package 'not-there'" },
  ];
  if (!('typescript' in process.features && process.features.typescript)) {
    const text = 'export default (r: object) => r';
    cases.push({ name: 'typed.ts', text, args: [], says: 'is TypeScript, which Node' });
  }

  let ends: Map<(typeof cases)[number], Ended>;
  beforeAll(async () => {
    const numbered = cases.map((one, index) => ({ one, at: one.name && `${index}-${one.name}` }));
    for (const { one, at } of numbered) if (at) write(at, one.text!);
    const byCase = new Map(numbered.map(({ one, at }) => [one, at] as const));
    ends = await twoAtATime(cases, (one) => {
      const file = byCase.get(one);
      return verify(...(file ? [file] : []), ...one.args);
    });
  }, 120_000);

  it.each(cases)('$name $args', (one) => {
    const { code, stdout, stderr } = ends.get(one)!;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(one.says);
    expect(stderr).toMatch(/^troupe verify: [^\n]*\n$/);
  });
});
