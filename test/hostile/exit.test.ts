import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Long enough for a slow machine, far too short for a process that waits for one of our timers. */
const PATIENCE_MS = 15_000;

interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script against the built package; one that does not exit by itself is killed and has the code null. */
function run(script: string): Promise<Exit> {
  const source = `
    import { BudgetExceeded, Orchestrator, ReliableOrchestrator, Troupe, defaultTroupe, defineTool } from 'troupe';
    process.on('exit', () => console.log('exited'));
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    const ok = defineTool({ name: 'ok', execute: () => 'fine' });
    const bad = defineTool({ name: 'bad', execute: () => { throw Object.assign(new Error('HTTP 503'), { status: 503 }); } });
    const stuck = defineTool({ name: 'stuck', execute: (_r, _o, { signal }) => new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    }) });
    const make = (options) => new Troupe({ tools: [ok, bad, stuck], logger: quiet, ...options });
    ${script}`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source], { cwd: root });
    const killer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(killer);
      resolve({ code, stdout, stderr });
    });
  });
}

const scripts: [string, string, RegExp][] = [
  [
    'after close()',
    `const troupe = make();
     console.log((await new ReliableOrchestrator({ troupe }).run({ toolName: 'ok', request: {} })).content);
     await troupe.close();`,
    /fine\nexited/,
  ],
  [
    'without close(), when no run is in flight',
    `const troupe = make();
     const output = await new ReliableOrchestrator({ troupe }).run({ toolName: 'ok', request: {}, options: {
       timeoutMs: 600_000, attemptTimeoutMs: 600_000, idempotencyKey: 'k', budget: { tokens: 100 } } });
     console.log(output.content);`,
    /fine\nexited/,
  ],
  [
    'with the process-wide Troupe, never closed',
    `console.log((await new Orchestrator().run({ tool: ok, request: {} })).content);`,
    /fine\nexited/,
  ],
  [
    'with a breaker that is open for an hour',
    `const troupe = make({ reliability: { maxRetries: 0, breaker: { failures: 1, openMs: 3_600_000 } } });
     await new ReliableOrchestrator({ troupe }).run({ toolName: 'bad', request: {} });
     console.log(troupe.breaker('bad').state);`,
    /open\nexited/,
  ],
  [
    'with a reader of troupe.events that waits',
    `const troupe = make();
     void (async () => { for await (const event of troupe.events) console.log(event.type); })();
     console.log((await new ReliableOrchestrator({ troupe }).run({ toolName: 'ok', request: {} })).content);`,
    /fine\nexited/,
  ],
  [
    'after a run was cancelled, its deadline hours ahead',
    `const run = new ReliableOrchestrator({ troupe: make() }).start({ toolName: 'stuck', request: {}, options: { timeoutMs: 7_200_000 } });
     setTimeout(() => run.cancel('enough'), 20);
     console.log(await run.output.catch((error) => error.name));`,
    /AbortError\nexited/,
  ],
  [
    'after close() has cancelled what was in flight',
    `const troupe = make();
     const run = new ReliableOrchestrator({ troupe }).start({ toolName: 'stuck', request: {} });
     await troupe.close({ graceMs: 20 });
     console.log(await run.output.catch((error) => error.name));`,
    /AbortError\nexited/,
  ],
];

describe('the process exits by itself', () => {
  it.each(scripts)('%s', { timeout: 2 * PATIENCE_MS }, async (_name, script, said) => {
    const { code, stdout, stderr } = await run(script);
    expect(stderr).toBe('');
    expect(stdout).toMatch(said);
    expect(code).toBe(0);
  });
});

describe('the process stays', { timeout: 2 * PATIENCE_MS }, () => {
  it('while a run waits for its back-off: it is not cut short', async () => {
    const { code, stdout } = await run(`
      const troupe = make({ reliability: { jitter: 'none', initialDelayMs: 300, maxRetries: 1 } });
      const run = new ReliableOrchestrator({ troupe }).start({ toolName: 'bad', request: {} });
      run.output.then(({ status, usage }) => console.log(status, usage.calls));`);
    expect(stdout).toMatch(/failed 2\nexited/);
    expect(code).toBe(0);
  });

  it('while a deadline has to end a tool that never does', async () => {
    const { code, stdout } = await run(`
      const never = defineTool({ name: 'never', execute: () => new Promise(() => {}) });
      const running = new Orchestrator(make()).run({ tool: never, request: {}, options: { timeoutMs: 100, abortGraceMs: 50 } });
      running.catch((error) => console.log(error.code));`);
    expect(stdout).toMatch(/deadline_exceeded\nexited/);
    expect(code).toBe(0);
  });
});

describe('a run that nobody reads', { timeout: 2 * PATIENCE_MS }, () => {
  it('raises no unhandledRejection, however it ends', async () => {
    const { code, stdout, stderr } = await run(`
      process.on('unhandledRejection', (reason) => console.log('UNHANDLED', reason));
      const troupe = make({ reliability: { maxRetries: 0 } });
      const orchestrator = new ReliableOrchestrator({ troupe });
      const start = (args) => orchestrator.start({ request: {}, ...args });
      start({ toolName: 'bad' });
      start({ toolName: 'nobody' });
      start({ toolName: 'ok', options: { timeout: 1 } });
      start({ toolName: 'stuck', options: { timeoutMs: 30 } });
      start({ toolName: 'ok', options: { budget: { tokens: 0 } } });
      start({ toolName: 'stuck' }).cancel('enough');
      start({ toolName: 'stuck', signal: AbortSignal.timeout(30) });
      const leaving = start({ toolName: 'stuck' });
      setTimeout(() => leaving.cancel(), 30);
      start({ toolName: 'ok', options: { idempotencyKey: 'k' } });
      start({ toolName: 'bad', options: { idempotencyKey: 'k' } });
      setTimeout(async () => { await troupe.close(); start({ toolName: 'ok' }); console.log('done'); }, 200);`);
    expect(stderr).toBe('');
    expect(stdout).toBe('done\nexited\n');
    expect(code).toBe(0);
  });

  it('by its default, Node would have ended for one: a run() that is not awaited and fails does so', async () => {
    const { code, stdout } = await run(`
      process.on('unhandledRejection', () => { console.log('seen'); process.exitCode = 3; });
      new Orchestrator(make()).run({ toolName: 'nobody', request: {} }).then(() => {});`);
    expect(stdout).toMatch(/seen/);
    expect(code).toBe(3);
  });
});
