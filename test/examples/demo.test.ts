import { LLMock } from '@copilotkit/aimock';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EvidenceBundle, OrchestrationOutput, RunEvent } from '../../src/index.js';

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

/** What kind of lines there are, in order, of those that tell of a bundle. */
function bundleLines(stdout: string): string[] {
  return [...stdout.matchAll(/^ *[\d.]+s {2}(reply|votes|stop) +(r\d+)?/gm)].map(([, kind]) => kind!);
}

function evidence(output: OrchestrationOutput): EvidenceBundle {
  return (output.content as { evidenceBundle: EvidenceBundle }).evidenceBundle;
}

function lastOutput(stdout: string): OrchestrationOutput {
  return JSON.parse(stdout.slice(stdout.indexOf('\n{\n'))) as OrchestrationOutput;
}

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];

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
      /plan +vote \(1 of 3 tools fit/,
      /call +vote, attempt 1/,
      /votes +3 for "5 cents", 1 for the next; mode posterior 0\.813; 4 of 10 asked/,
      /votes +6 for "5 cents", 1 for the next; mode posterior 0\.965; 7 of 10 asked/,
      /stop +after 7 of 10 in 2 batches: the votes are clear enough/,
      /done +completed/,
      /vote: "5 cents", 6 of 7 votes; mode posterior 0\.965/,
      /In all: spent \d+ of 5000 tokens/,
    ];
    let from = 0;
    for (const step of story) {
      const at = stdout.slice(from).search(step);
      expect(at, `${step} after what came before it, in:\n${stdout}`).toBeGreaterThanOrEqual(0);
      from += at;
    }
  });

  it('shows each reply of the vote as it settles, and the votes once the batch has', () => {
    const batches = [...Array<string>(4).fill('reply'), 'votes', ...Array<string>(3).fill('reply'), 'votes'];
    expect(bundleLines(plain.stdout)).toEqual([...batches, 'stop']);
    const ids = [...plain.stdout.matchAll(/reply +(r\d+): "(.*?)"/g)].map(
      ([, id, answer]) => `${id} ${answer}`,
    );
    const first = ['r1 5 cents', 'r2 5 cents', 'r3 10 cents', 'r4 5 cents'];
    expect(ids.slice(0, 4).sort()).toEqual(first);
    expect(ids.slice(4).sort()).toEqual(['r5 5 cents', 'r6 5 cents', 'r7 5 cents']);
  });

  it('says what stopping early has saved: against k replies of the mean size', () => {
    const told =
      /stopped early, after (\d+) of (\d+): (\d+) tokens, \$([\d.]+) instead of about (\d+) tokens, \$([\d.]+)/.exec(
        plain.stdout,
      );
    const [issued, k, tokens, usd, allTokens, allUsd] = (told ?? []).slice(1).map(Number);
    const { usage } = lastOutput(plain.stdout);
    expect([issued, k, tokens, usd]).toEqual([7, 10, usage.totalTokens, Number(usage.costUsd.toFixed(5))]);
    expect(allTokens).toBe(Math.round((usage.totalTokens / 7) * 10));
    expect(allUsd).toBeCloseTo((usage.costUsd / 7) * 10, 5);
    expect(allUsd).toBeGreaterThan(usd!);
  });

  it('calls the confidence a posterior of the mode, and promises no truth', () => {
    expect(plain.stdout).toContain('what the model says most often: no promise that it is true');
    expect(plain.stdout).not.toMatch(/probab|correct|right/i);
  });

  it('prints the last output as JSON of readable size, and every token that was spent adds up', () => {
    const output = lastOutput(plain.stdout);
    expect(output).toMatchObject({
      status: 'completed',
      usage: { calls: 7, estimated: false },
      metadata: { toolName: 'vote', path: ['vote'] },
    });
    const { meta, replicates, summary } = evidence(output);
    expect(meta).toMatchObject({ k: 10, issued: 7, valid: 7, stopReason: 'posterior', earlyStopped: true });
    expect(replicates[2]).toEqual({ id: 'r3', seed: 47, status: 'valid', data: '10 cents' });
    expect(summary).toMatchObject({ consensus: '5 cents', confidenceKind: 'mode-posterior' });
    const printed = plain.stdout.slice(plain.stdout.indexOf('The last output')).trimEnd().split('\n');
    expect(printed[0]).toBe('The last output, shortened (--json prints all of it):');
    expect(printed.length).toBeLessThan(80);
    expect(Math.max(...printed.map(({ length }) => length))).toBeLessThanOrEqual(120);
    const perRun = [...plain.stdout.matchAll(/calls?, (\d+) tokens?,/g)].map(([, tokens]) => Number(tokens));
    const [, inAll] = /In all: spent (\d+) of/.exec(plain.stdout) ?? [];
    expect(perRun).toHaveLength(5);
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
    expect(ids.size).toBe(5);
    for (const id of ids) {
      const run = lines.filter(({ runId }) => runId === id);
      const events = run.filter((line): line is RunEvent => !isOutput(line));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
      expect(events[0]?.type).toBe('run_started');
      expect(events.filter(({ type }) => TERMINAL.includes(type))).toEqual([events.at(-1)]);
      expect(run.filter(isOutput)).toEqual([run.at(-1)]);
    }
  });

  it('prints with --json the whole of the vote: every event, and the evidence unshortened', () => {
    const lines = parseLines(json.stdout);
    const { runId } = lines.at(-1)!;
    const count = (type: string) => lines.filter((line) => line.runId === runId && line.type === type).length;
    const types = ['replicate_started', 'replicate_done', 'partial_summary', 'bundle_ready'];
    expect(types.map(count)).toEqual([7, 7, 2, 1]);
    const output = lines.at(-1) as OutputLine;
    const { replicates, summary, costTotalUsd, costBreakdown } = evidence(output);
    expect(replicates.every(({ usage, attempts }) => usage.calls === 1 && attempts === 1)).toBe(true);
    expect(summary.pairwiseDistance).toHaveLength(7);
    expect(costTotalUsd).toBeCloseTo(output.usage.costUsd, 12);
    expect(costBreakdown.reduce((sum, { costUsd }) => sum + costUsd, 0)).toBeCloseTo(costTotalUsd, 12);
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
      { type: 'replicate_done', data: { id: 'r3', status: 'valid', answer: '10 cents' } },
      { type: 'partial_summary', data: { leader: '5 cents', leaderVotes: 3, runnerUpVotes: 1, round: 1 } },
      { type: 'bundle_ready', data: { status: 'completed', issued: 7, k: 10, stopReason: 'posterior' } },
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

  it('in the middle of the vote keeps the replies that were there, and tells what the others may have cost', async () => {
    const { code, stdout, stderr } = await demo([], { interruptAt: 'reply ' });
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout).toMatch(/stopped +r4, \$\d\.\d{5}/);
    expect(stdout).toMatch(/stop +after 4 of 10 in 1 batch: it was cancelled/);
    expect(stdout).toMatch(/[1-3] of 10 finished: \d+ tokens, \$\d\.\d{5} \(in part estimated\)/);
    expect(stdout).not.toContain('stopped early');
    const output = lastOutput(stdout);
    expect(output).toMatchObject({ status: 'cancelled', usage: { calls: 4, estimated: true } });
    const { meta, replicates } = evidence(output);
    expect(meta).toMatchObject({ issued: 4, stopReason: 'cancelled', earlyStopped: false });
    const statuses = replicates.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set(['valid', 'cancelled']));
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
  /** What the small model says to a vote, by seed. */
  let vote: (
    seed: number,
  ) => { content: string } | { error: { message: string; type: string }; status: number };
  const env = () => ({
    OPENAI_BASE_URL: `${server.url}/v1/`,
    OPENAI_API_KEY: 'the-key',
    TROUPE_MODEL: 'large,small',
  });

  beforeAll(async () => {
    server.on({ model: 'large' }, { content: 'An answer \u001B[31mfrom elsewhere.' });
    server.on({ model: 'small' }, (request) => vote(Number(request['seed'])));
    await server.start();
  });
  beforeEach(() => {
    vote = (seed) => ({ content: seed % 4 === 3 ? '5 Cents.' : ' 5 cents' });
    server.clearRequests();
  });
  afterAll(() => server.stop());

  it('calls what OPENAI_BASE_URL, OPENAI_API_KEY and TROUPE_MODEL name, and injects no failures', async () => {
    const { code, stdout } = await demo([], { env: env() });
    expect(code).toBe(0);
    const bodies = server.getRequests().map(({ path, body }) => ({ path, ...(body as { seed?: number }) }));
    const path = '/v1/chat/completions';
    expect(bodies.slice(0, 4)).toEqual(Array(4).fill(expect.objectContaining({ path, model: 'large' })));
    expect(bodies.slice(0, 4).filter((body) => 'seed' in body || 'temperature' in body)).toEqual([]);
    // The votes are draws of their own, of the small model, and asked no more often than a unanimous answer needs.
    const votes = bodies.slice(4).sort((a, b) => Number(a.seed) - Number(b.seed));
    const vote = { path, model: 'small', temperature: 1 };
    expect(votes).toEqual([11, 23, 47, 59].map((seed) => expect.objectContaining({ ...vote, seed })));
    expect(stdout).toContain(`Models at ${server.url}/v1 (set by OPENAI_BASE_URL): large, small\n`);
    expect(stdout).not.toMatch(/failed|retry|stand-in/);
    expect(stdout).toMatch(/vote: "5 cents", 4 of 4 votes; mode posterior 0\.969/);
    expect(lastOutput(stdout)).toMatchObject({ status: 'completed', metadata: { toolName: 'vote' } });
  });

  it('goes on where votes fail or are unusable, and shows which', async () => {
    vote = (seed) =>
      seed === 23
        ? { error: { message: 'no \u001B[31mseed 23', type: 'invalid_request_error' }, status: 400 }
        : { content: seed === 11 ? '5 cents' : '.' };
    const { code, stdout } = await demo([], { env: env() });
    expect(stdout).toMatch(/failed +vote r2: 400 validation: no seed 23/);
    expect(stdout).toMatch(/failed +r3: invalid: /);
    expect(stdout).toMatch(/stop +after 10 of 10 in \d batch/);
    expect(stdout).toMatch(/vote: "5 cents", 1 of 1 vote; mode posterior 0\.750/);
    expect(stdout).toMatch(/10 of 10 finished: /);
    expect({ code, status: lastOutput(stdout).status }).toEqual({ code: 0, status: 'partial' });
  });

  it('exits with 1 when no vote is valid, and shows what the replies were', async () => {
    vote = () => ({ content: '.' });
    const { code, stdout } = await demo([], { env: env() });
    expect(code).toBe(1);
    expect(stdout).toMatch(/vote: no valid reply, of 10 asked for/);
    expect(stdout).toMatch(/ended +failed: .*none of its 10 replicates is valid: 10 x invalid_output/);
    expect(lastOutput(stdout).error?.code).toBe('invalid_output');
  });

  it('lets no answer steer the terminal', async () => {
    vote = () => ({ content: 'five \u001B[31m \u009B31m cents' });
    const { stdout } = await demo([], { env: env() });
    expect(stdout).toContain('frontier-model: "An answer [31mfrom elsewhere."');
    expect(stdout).toMatch(/vote: "five .* cents", 4 of 4 votes/);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(evidence(lastOutput(stdout)).replicates[0]?.data).toBe('five \u001B[31m \u009B31m cents');
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
