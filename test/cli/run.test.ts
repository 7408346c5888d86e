import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const CLI = path.join(root, 'dist/cli.js');
const CONFIG = `
  import { defineTool } from 'troupe';
  export default async () => ({
    reliability: { maxRetries: 0 },
    run: { metadata: { from: 'config' } },
    tools: [
      defineTool({ name: 'greet', description: 'says hello', execute: ({ query, who = query }) => 'Hello ' + who }),
      defineTool({ name: 'sum', estimate: () => ({ tokens: 100 }), execute: ({ a, b }) => ({ sum: a + b }) }),
      defineTool({ name: 'broken', execute: () => { throw Object.assign(new Error('no such model'), { status: 404 }); } }),
      defineTool({ name: 'wait', execute: (_, __, { signal, emit }) => {
        emit({ type: 'delta', text: 'so far' });
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      } }),
    ],
  });
`;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'troupe-run-'));
  mkdirSync(path.join(dir, 'node_modules'));
  symlinkSync(root, path.join(dir, 'node_modules/troupe'));
  writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(dir, 'troupe.config.js'), CONFIG);
  writeFileSync(
    path.join(dir, 'one.js'),
    "import { defineTool } from 'troupe'; export default { tools: [defineTool({ name: 'only', execute: () => [1, 2] })] };",
  );
  writeFileSync(path.join(dir, 'empty.js'), 'export default {};');
  writeFileSync(path.join(dir, 'nothing.js'), 'export const tools = [];');
  writeFileSync(path.join(dir, 'broken.js'), 'export default { tools: [');
  writeFileSync(path.join(dir, 'lost.js'), "import 'gone'; export default { tools: [] };");
  writeFileSync(path.join(dir, 'notes.txt'), 'export default {};');
  writeFileSync(path.join(dir, 'wrong.js'), 'export default { tols: [] };');
});
afterAll(() => rmSync(dir, { recursive: true }));

function run(args: string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'run', ...args], {
    cwd: dir,
    encoding: 'utf8',
    input,
  });
  return { status, stdout, stderr };
}

describe('troupe run', () => {
  it.each([
    [['--tool', 'greet', 'Ann'], 'Hello Ann\n'],
    [['--tool', 'greet', '{"who":"Bob"}'], 'Hello Bob\n'],
    [['--tool', 'sum', '{"a":1,"b":2}'], '{\n  "sum": 3\n}\n'],
    [['--config', 'one.js', '{}'], '[\n  1,\n  2\n]\n'],
    [['--list'], 'greet 1.0.0  says hello\nsum 1.0.0\nbroken 1.0.0\nwait 1.0.0\n'],
  ])('%j prints the answer', (args, stdout) => {
    expect(run(args)).toEqual({ status: 0, stdout, stderr: '' });
  });

  it('reads the request from the standard input', () => {
    expect(run(['--tool', 'sum', '-'], '{"a":4,"b":5}').stdout).toContain('9');
  });

  it('prints the whole output, and every event', () => {
    const { stdout, stderr } = run(['--tool', 'sum', '{"a":1,"b":2}', '--json', '--events']);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'completed',
      metadata: { caller: { from: 'config' } },
    });
    const types = stderr
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['run_started', 'tool_started', 'run_completed']);
  });

  it.each([
    [['--tool', 'broken', '{}'], 'failed: not_found: '],
    [['--tool', 'wait', '{}', '--timeout', '50'], 'timed_out: deadline_exceeded: '],
    [['--tool', 'sum', '{"a":1,"b":2}', '--tokens', '10'], 'budget_exceeded: budget_exceeded: '],
  ])('%j says why there is no answer', (args, why) => {
    const { status, stdout, stderr } = run(args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(why);
  });

  it.each([
    [['--tool', 'greet'], 'the request is missing'],
    [['a', 'b'], 'in quotes'],
    [['--tool', 'nobody', '{}'], 'There is no tool "nobody". There are greet, sum, broken, wait.'],
    [['{}', '--timeout', 'soon'], '--timeout takes a number'],
    [['{}', '--stream', '--json'], 'do not go together'],
    [['{}', '--nonsense'], "Unknown option '--nonsense'"],
    [['--config', 'gone.js', '{}'], 'There is no gone.js'],
    [['--config', 'empty.js', '{}'], 'has no tools'],
    [['--config', 'nothing.js', '{}'], 'must export by default'],
    [['--config', 'broken.js', '{}'], 'broken.js could not be loaded: SyntaxError'],
    [
      ['--config', 'lost.js', '{}'],
      "lost.js could not be loaded: Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'gone'",
    ],
    [['--config', 'notes.txt', '{}'], 'write the config in JavaScript'],
    [['--config', 'wrong.js', '{}'], 'Unknown option `tols`'],
  ])('%j is refused with the help', (args, why) => {
    const { status, stdout, stderr } = run(args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(why);
    expect(stderr).toContain('Usage: troupe run');
  });

  it('shows the text as it comes, and cancels at Ctrl-C', async () => {
    const child = spawn(process.execPath, [CLI, 'run', '--tool', 'wait', '{}', '--stream'], { cwd: dir });
    let stderr = '';
    child.stderr.on('data', (part) => (stderr += String(part)));
    await new Promise<void>((resolve) =>
      child.stdout.once('data', (part) => (expect(String(part)).toBe('so far'), resolve())),
    );
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(130);
    expect(stderr).toContain('Ctrl-C was pressed');
  });
});
