import { LLMock } from '@copilotkit/aimock';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrchestrationOutput, RunEvent } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Settings {
  readonly env?: Record<string, string>;
  /** Ctrl-C is pressed once this has been printed. */
  readonly interruptAt?: string;
}

/** Runs the demo as a user does, with its output piped, until it has ended by itself. */
function demo(args: readonly string[] = [], { env = {}, interruptAt }: Settings = {}): Promise<Ended> {
  const { OPENAI_BASE_URL: _url, OPENAI_API_KEY: _key, TROUPE_MODEL: _model, ...rest } = process.env;
  const child = spawn(process.execPath, ['examples/demo/main.js', ...args], {
    cwd: root,
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let isInterrupted = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (isInterrupted || interruptAt === undefined || !stdout.includes(interruptAt)) return;
    isInterrupted = true;
    child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

type OutputLine = { readonly type: 'output'; readonly runId: string } & OrchestrationOutput;
type Line = RunEvent | OutputLine;

const isOutput = (line: Line): line is OutputLine => line.type === 'output';

function parseLines(stdout: string): Line[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

function lastOutput(stdout: string): OrchestrationOutput {
  return JSON.parse(stdout.slice(stdout.indexOf('\n{\n'))) as OrchestrationOutput;
}

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];

beforeAll(() => {
  if (existsSync(`${root}/dist/index.js`)) return;
  execFileSync('npm', ['run', '--silent', 'build:js'], { cwd: root, stdio: 'ignore' });
}, 60_000);

describe('the demo against its stand-in', () => {
  let plain: Ended;
  let json: Ended;

  beforeAll(async () => {
    [plain, json] = await Promise.all([demo(), demo(['--json'])]);
  }, 60_000);

  it('shows a 429 that is waited out, an outage that opens the breaker, the fallback and the recovery', () => {
    const { code, stdout, stderr } = plain;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const story = [
      /plan +frontier-model, then fallback-model/,
      /failed +frontier-model: 429 rate_limit, Retry-After 1\.00 s/,
      /retry +frontier-model in 1\.\d\d s/,
      /call +frontier-model, attempt 2/,
      /done +completed/,
      /failed +frontier-model: 503 server/,
      /breaker +frontier-model: closed -> open \(failures, for 2\.00 s\)/,
      /fallback +frontier-model -> fallback-model/,
      /call +fallback-model, attempt 1/,
      /plan +fallback-model, then frontier-model/,
      /breaker +frontier-model: open -> half-open/,
      /breaker +frontier-model: half-open -> closed/,
      /In all: spent \d+ of 5000 tokens/,
    ];
    let from = 0;
    for (const step of story) {
      const at = stdout.slice(from).search(step);
      expect(at, `${step} after what came before it, in:\n${stdout}`).toBeGreaterThanOrEqual(0);
      from += at;
    }
  });

  it('prints the last output as JSON, and every token that was spent adds up', () => {
    expect(lastOutput(plain.stdout)).toMatchObject({
      status: 'completed',
      usage: { calls: 1, estimated: false },
      metadata: { toolName: 'frontier-model', path: ['frontier-model'] },
    });
    const perRun = [...plain.stdout.matchAll(/calls?, (\d+) tokens?,/g)].map(([, tokens]) => Number(tokens));
    const [, inAll] = /In all: spent (\d+) of/.exec(plain.stdout) ?? [];
    expect(perRun).toHaveLength(4);
    expect(perRun.reduce((sum, tokens) => sum + tokens, 0)).toBe(Number(inAll));
    expect(Number(inAll)).toBeGreaterThan(0);
  });

  it('writes no escape codes into a pipe', () => {
    expect(plain.stdout).not.toContain('\u001B');
  });

  it('prints with --json nothing but events in order, and the output of each run after its one end', () => {
    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 0, stderr: '' });
    const lines = parseLines(json.stdout);
    expect(lines.at(-1)).toMatchObject({ type: 'output', status: 'completed' });
    const ids = new Set(lines.map(({ runId }) => runId));
    expect(ids.size).toBe(4);
    for (const id of ids) {
      const run = lines.filter(({ runId }) => runId === id);
      const events = run.filter((line): line is RunEvent => !isOutput(line));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      expect(events[0]?.type).toBe('run_started');
      expect(events.filter(({ type }) => TERMINAL.includes(type))).toEqual([events.at(-1)]);
      expect(run.filter(isOutput)).toEqual([run.at(-1)]);
    }
  });

  it('tells with --json the same story', () => {
    const lines = parseLines(json.stdout);
    const expected = [
      { type: 'attempt_failed', failure: { status: 429, category: 'rate_limit', retryAfterMs: 1000 } },
      { type: 'retry_scheduled', toolName: 'frontier-model', retryAfterMs: 1000 },
      { type: 'breaker_changed', from: 'closed', to: 'open', reason: 'failures' },
      { type: 'fallback_started', fromTool: 'frontier-model', toolName: 'fallback-model' },
      { type: 'output', status: 'completed', metadata: { path: ['frontier-model', 'fallback-model'] } },
      { type: 'breaker_changed', from: 'half-open', to: 'closed' },
    ];
    for (const line of expected) expect(lines).toContainEqual(expect.objectContaining(deep(line)));
  });
});

/** Matches every object in it by part. */
function deep(value: Record<string, unknown>): Record<string, unknown> {
  const isObject = (field: unknown): field is Record<string, unknown> =>
    typeof field === 'object' && field !== null && !Array.isArray(field);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      isObject(field) ? expect.objectContaining(deep(field)) : field,
    ]),
  );
}

describe('the demo and Ctrl-C', () => {
  it.each([
    { moment: 'during a call', interruptAt: 'attempt 1' },
    { moment: 'during the wait before a retry', interruptAt: 'retry ' },
    { moment: 'between two runs', interruptAt: 'is open for another' },
  ])('$moment cancels, prints what was spent and exits with 130', async ({ interruptAt }) => {
    const { code, stdout, stderr } = await demo([], { interruptAt });
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout).toMatch(/Ctrl-C: cancelling/);
    expect(stdout).toMatch(/In all: spent \d+ of 5000 tokens, \$\d\.\d{5} of/);
    expect(stdout).not.toMatch(/half-open -> closed/);
  });

  it('ends the stream of --json with `cancelled` and an output that tells the reserved cost of the call', async () => {
    const { code, stdout } = await demo(['--json'], { interruptAt: '"tool_started"' });
    expect(code).toBe(130);
    const [end, output] = parseLines(stdout).slice(-2);
    expect(end).toMatchObject({ type: 'cancelled', error: { name: 'AbortError', code: 'cancelled' } });
    expect(output).toMatchObject({
      type: 'output',
      status: 'cancelled',
      usage: { calls: 1, estimated: true },
    });
    expect(isOutput(output!) && output.usage.costUsd).toBeGreaterThan(0);
  });
});

describe('the demo against another endpoint', () => {
  const server = new LLMock({ host: '127.0.0.1', port: 0, auth: { apiKeys: ['the-key'] } });
  const env = () => ({
    OPENAI_BASE_URL: `${server.url}/v1/`,
    OPENAI_API_KEY: 'the-key',
    TROUPE_MODEL: 'large,small',
  });

  beforeAll(async () => {
    server.on({ model: 'large' }, { content: 'An answer \u001B[31mfrom elsewhere.' });
    await server.start();
  });
  afterAll(() => server.stop());

  it('calls what OPENAI_BASE_URL, OPENAI_API_KEY and TROUPE_MODEL name, and injects no failures', async () => {
    const { code, stdout } = await demo([], { env: env() });
    expect(code).toBe(0);
    expect(server.getRequests().map(({ path, body }) => [path, (body as { model: string }).model])).toEqual(
      Array.from({ length: 4 }, () => ['/v1/chat/completions', 'large']),
    );
    expect(stdout).toContain(`Models at ${server.url}/v1 (set by OPENAI_BASE_URL): large, small\n`);
    expect(stdout).not.toMatch(/failed|retry|stand-in/);
    expect(lastOutput(stdout)).toMatchObject({
      status: 'completed',
      content: 'An answer \u001B[31mfrom elsewhere.',
    });
  });

  it('lets no answer steer the terminal', async () => {
    const { stdout } = await demo([], { env: env() });
    expect(stdout).toContain('frontier-model: "An answer [31mfrom elsewhere."');
    expect(stdout).not.toContain('\u001B');
  });

  it('exits with 1 when a run failed, without a retry where none would help', async () => {
    const { code, stdout } = await demo([], { env: { ...env(), OPENAI_API_KEY: 'another' } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/failed +frontier-model: 401 authentication/);
    expect(stdout).not.toMatch(/retry/);
    expect(lastOutput(stdout)).toMatchObject({
      status: 'failed',
      usage: { calls: 2, totalTokens: 0, costUsd: 0 },
      error: { code: 'authentication' },
    });
  });
});

describe('the arguments of the demo', () => {
  it.each([
    { args: ['--jsn'], message: "Unknown option '--jsn'. See --help.\n" },
    { args: ['more'], message: "Unexpected argument 'more'. See --help.\n" },
  ])('$args.0 is refused with a clear message and exit code 2', async ({ args, message }) => {
    expect(await demo(args)).toEqual({ code: 2, stdout: '', stderr: message });
  });

  it('refuses an OPENAI_BASE_URL that is no address', async () => {
    const ended = await demo([], { env: { OPENAI_BASE_URL: 'localhost:8080' } });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('OPENAI_BASE_URL must be an http or https address, got "localhost:8080"');
  });

  it('--help explains flags, settings and exit codes', async () => {
    const { code, stdout } = await demo(['--help']);
    expect(code).toBe(0);
    for (const word of ['--json', 'OPENAI_BASE_URL', 'OPENAI_API_KEY', 'TROUPE_MODEL', 'NO_COLOR', '130']) {
      expect(stdout).toContain(word);
    }
  });
});
