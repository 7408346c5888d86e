import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createActor, createMachine, fromPromise } from 'xstate';
import { describe, expect, it, vi } from 'vitest';
import {
  Budget,
  BundleTool,
  defineTool,
  InvalidOptionsError,
  ReliableOrchestrator,
  Troupe,
  type TroupeOptions,
} from '../../src/index.js';
import { recorder, type RecorderOptions } from '../../src/inspect/index.js';
import { ofKind, recordsOf, tempFolder } from './tempfolder.js';

const root = path.join(import.meta.dirname, '../..');
const file = tempFolder();
let count = 0;
const fresh = () => file(`run-${++count}.ndjson`);

const add = defineTool({ name: 'add', execute: ({ a, b }: { a: number; b: number }) => a + b });
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function recorded(options: RecorderOptions = {}, troupeOptions: TroupeOptions = {}) {
  const name = fresh();
  const recording = recorder(name, options);
  const troupe = new Troupe({ inspect: recording, logger: quiet, ...troupeOptions });
  return {
    name,
    recording,
    troupe,
    orchestrator: new ReliableOrchestrator({ troupe, reliability: { initialDelayMs: 1, jitter: 'none' } }),
  };
}

class Vote extends BundleTool {
  name = 'vote';
  override estimate() {
    return { tokens: 1 };
  }
  override async replicate() {
    return 'yes';
  }
}

describe('a recording', () => {
  it('has every actor of a bundle with its chart, its parent, its steps and its end', async () => {
    const { name, orchestrator, recording, troupe } = recorded();
    const tool = new Vote();
    await orchestrator.run({
      tool,
      request: {},
      toolOptions: { k: 3, stopping: 'fixed' },
      options: { budget: { tokens: 100 } },
    });
    await troupe.close();
    recording.close();
    const records = recordsOf(name);
    expect(records[0]).toMatchObject({ kind: 'head', format: 1, pid: process.pid, redacted: false });
    expect(records.map(({ n }) => n)).toEqual(records.map((_, index) => index + 1));
    const actors = ofKind(records, 'actor');
    const named = actors.map((actor) => [actor.name, actors.find(({ id }) => id === actor.partOf)?.name]);
    expect(named).toEqual([
      ['run', undefined],
      ['bundle', 'run'],
      ['replicate r1', 'bundle'],
      ['replicate r2', 'bundle'],
      ['replicate r3', 'bundle'],
      ['breaker vote', undefined],
      ['budget', 'run'],
    ]);
    expect(ofKind(records, 'chart').map(({ chart }) => chart)).toEqual([
      'run',
      'bundle',
      'replicate',
      'breaker',
      'budget',
    ]);
    for (const { actor, role } of actors) {
      const steps = ofKind(records, 'step').filter((step) => step.actor === actor);
      expect(steps[0]!.event).toEqual({ type: 'xstate.init' });
      const last = { run: 'completed', bundle: 'completed', replicate: 'valid', breaker: 'closed' }[
        role as 'run'
      ];
      if (last) expect(steps.at(-1)!.value).toBe(last);
    }
    const run = ofKind(records, 'run')[0]!;
    expect(run).toMatchObject({ tool: 'vote', request: {}, toolOptions: { k: 3 }, budget: { tokens: 100 } });
    const said = ofKind(records, 'said').map(({ event }) => event.type);
    const times = (type: string) => said.filter((each) => each === type).length;
    expect([said[0], said[1], said.at(-2), said.at(-1)]).toEqual([
      'run_started',
      'tool_started',
      'bundle_ready',
      'run_completed',
    ]);
    expect([times('replicate_started'), times('replicate_done')]).toEqual([3, 3]);
    expect(ofKind(records, 'ended')[0]).toMatchObject({ output: { status: 'completed' }, error: null });
    expect(ofKind(records, 'providers').at(-1)!.providers).toMatchObject([
      { provider: 'vote', breaker: 'closed' },
    ]);
    expect(records.at(-1)).toMatchObject({ kind: 'closed' });
  });

  it('has the event, each microstep with its guard, the actions with what they were given, and what changed', async () => {
    const { name, orchestrator, recording } = recorded();
    const flaky = defineTool({
      name: 'flaky',
      execute: (_, __, { attempt }) => {
        if (attempt === 1) throw Object.assign(new Error('down'), { status: 503 });
        return 1;
      },
    });
    await orchestrator.run({ tool: flaky, request: {} });
    recording.close();
    const failed = ofKind(recordsOf(name), 'step').find(({ event }) => event.type === 'call.failed')!;
    expect(failed.microsteps).toEqual([
      [
        {
          from: 'attempting.calling',
          to: ['attempting.judging'],
          event: 'call.failed',
          guard: 'isLastInFlight',
        },
      ],
      [{ from: 'attempting.judging', to: ['attempting.backingOff'], event: '', guard: 'mayRetry' }],
    ]);
    expect(failed.actions.map(({ type }) => type)).toEqual([
      'disarmTimer',
      'disarmTimer',
      'leaveQueues',
      'announceFailure',
      'announceRetry',
      'armTimer',
    ]);
    expect(failed.actions.at(-1)!.params).toMatchObject({ timer: 'backoff' });
    expect(failed.value).toEqual({ attempting: 'backingOff' });
    expect(Object.keys(failed.context as object).sort()).toEqual([
      'failures',
      'inFlight',
      'lastFailure',
      'wakeAt',
    ]);
  });

  it('tells of a run that joins another, one that is inside another, and one that was refused', async () => {
    const { name, troupe, orchestrator, recording } = recorded();
    let answer = () => {};
    const gate = new Promise<void>((resolve) => (answer = resolve));
    const outer = defineTool({
      name: 'outer',
      execute: async (_, __, { run }) => {
        await gate;
        return (await run({ tool: add, request: { a: 1, b: 2 } })).content;
      },
    });
    const options = { idempotencyKey: 'same' };
    const first = orchestrator.run({ tool: outer, request: {}, options });
    const second = orchestrator.run({ tool: outer, request: {}, options });
    await Promise.resolve();
    answer();
    await Promise.all([first, second]);
    await expect(orchestrator.run({ tool: outer, request: { other: 1 }, options })).rejects.toThrow('same');
    await troupe.close();
    recording.close();
    const records = recordsOf(name);
    const [a, b, inner, refused] = ofKind(records, 'run');
    expect(ofKind(records, 'joined')).toMatchObject([{ run: b!.run, execution: a!.run }]);
    expect(inner).toMatchObject({ tool: 'add', outerRunId: a!.run });
    const end = ofKind(records, 'ended').find(({ run }) => run === refused!.run);
    expect(end).toMatchObject({ output: null, error: { code: 'conflict' } });
  });

  it('takes actors of no Troupe too: a promise with its input, its output, its error', async () => {
    const name = fresh();
    const recording = recorder(name);
    const machine = createMachine({
      id: 'mine',
      initial: 'asking',
      states: {
        asking: {
          invoke: {
            id: 'ask',
            src: fromPromise(() => Promise.reject(new Error('no'))),
            onError: 'over',
            input: { q: 1 },
          },
        },
        over: { type: 'final' },
      },
    });
    const actor = createActor(machine, { inspect: recording });
    actor.start();
    await vi.waitFor(() => expect(actor.getSnapshot().status).toBe('done'));
    recording.close();
    const records = recordsOf(name);
    expect(ofKind(records, 'actor')).toMatchObject([
      { chart: 'mine', role: 'other' },
      { name: 'ask', chart: '', input: { q: 1 } },
    ]);
    const steps = ofKind(records, 'step');
    expect(steps.find(({ status }) => status === 'error')).toMatchObject({ error: { message: 'no' } });
    expect(steps.find(({ event }) => event.type === 'xstate.error.actor.ask')).toMatchObject({
      value: 'over',
    });
  });
});

it('keeps the type of an event that is too large to be written', async () => {
  const { name, recording } = recorded();
  const machine = createMachine({ id: 'mine', initial: 'a', states: { a: { on: { go: 'b' } }, b: {} } });
  const actor = createActor(machine, { inspect: recording }).start();
  const many = Array.from({ length: 10 }, () => 'x'.repeat(60_000));
  actor.send({ type: 'go', many } as never);
  recording.close();
  const step = ofKind(recordsOf(name), 'step').at(-1)!;
  expect(step.event).toEqual({
    type: 'go',
    payload: expect.stringMatching(/^\[left out: 6\d+ characters\]$/),
  });
  expect(step.value).toBe('b');
});

describe('redact', () => {
  const SECRET = 'sk-live-1234567890';
  const leaky = defineTool({
    name: 'leaky',
    execute: ({ fail }: { fail: boolean; key: string }, _: unknown, { emit }) => {
      emit({ type: 'tool_event', name: 'note', data: { SECRET } });
      if (fail) throw Object.assign(new Error(`refused for ${SECRET}`), { status: 401 });
      return { key: SECRET };
    },
  });

  it('keeps a secret of a request, an answer, an error, an event and a context out of the file', async () => {
    const redact = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll(SECRET, '•••')) as unknown;
    const { name, orchestrator, recording } = recorded({ redact });
    const metadata = { token: SECRET };
    await orchestrator.run({ tool: leaky, request: { fail: false, key: SECRET }, options: { metadata } });
    await orchestrator.run({
      tool: leaky,
      request: { fail: true, key: SECRET },
      toolOptions: { SECRET } as never,
    });
    recording.close();
    const text = readFileSync(name, 'utf8');
    expect(text).not.toContain(SECRET);
    expect(text).toContain('refused for •••');
    expect(recordsOf(name)[0]).toMatchObject({ redacted: true });
  });

  it('leaves a payload out that it throws on', async () => {
    const redact = (_: unknown, place: string) => {
      if (place !== 'metadata') throw new Error(SECRET);
      return _;
    };
    const { name, orchestrator, recording } = recorded({ redact });
    await orchestrator.run({ tool: leaky, request: { fail: true, key: SECRET } });
    recording.close();
    const text = readFileSync(name, 'utf8');
    expect(text).not.toContain(SECRET);
    expect(ofKind(recordsOf(name), 'run')[0]!.request).toBe('[left out]');
  });

  it('keeps what a chart begins with back, too, and lets one that refers to itself harm nobody', async () => {
    const redact = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll(SECRET, '•••')) as unknown;
    const { name, orchestrator, recording } = recorded({ redact });
    const mine = createMachine({ id: 'mine', context: { key: SECRET }, initial: 'a', states: { a: {} } });
    createActor(mine, { inspect: recording }).start();
    const odd: { self?: unknown } = {};
    odd.self = odd;
    createActor(createMachine({ id: 'odd', context: odd }), { inspect: recording }).start();
    await orchestrator.run({ tool: add, request: { a: 1, b: 2 } });
    recording.close();
    const records = recordsOf(name);
    expect(JSON.stringify(records)).not.toContain(SECRET);
    expect(ofKind(records, 'chart').map(({ chart }) => chart)).toContain('mine');
    expect(ofKind(records, 'ended')).toHaveLength(1);
  });

  it('of the run itself keeps its request, events and answer out, without one of the recorder', async () => {
    const { name, orchestrator, recording } = recorded();
    const redact = () => undefined;
    await orchestrator.run({ tool: leaky, request: { fail: false, key: SECRET }, options: { redact } });
    recording.close();
    expect(readFileSync(name, 'utf8')).not.toContain(SECRET);
  });
});

describe('the file', () => {
  it('is bounded, and each part can be read alone', async () => {
    const { name, orchestrator, recording } = recorded({ maxFileBytes: 64 * 1024, maxFiles: 3 });
    for (let i = 0; i < 150; i++) {
      await orchestrator.run({ tool: add, request: { a: i, b: 1 } });
      if (i % 10 === 0) recording.flush();
    }
    recording.close();
    const parts = readdirSync(path.dirname(name))
      .filter((each) => each.startsWith(path.parse(name).name))
      .sort();
    expect(parts).toEqual([
      `${path.parse(name).name}.1.ndjson`,
      `${path.parse(name).name}.2.ndjson`,
      path.basename(name),
    ]);
    for (const part of parts) {
      const full = path.join(path.dirname(name), part);
      expect(statSync(full).size).toBeLessThan(80 * 1024);
      const records = recordsOf(full);
      expect(records[0]!.kind).toBe('head');
      expect(ofKind(records, 'chart').length).toBeGreaterThanOrEqual(2);
      expect(ofKind(records, 'actor').some(({ role }) => role === 'breaker')).toBe(true);
    }
    // A new recording of that name does not go on with parts of the old.
    recorder(name).close();
    expect(existsSync(path.join(path.dirname(name), parts[0]!))).toBe(false);
  });

  it.each([
    ['', 'takes the path of a file'],
    ['/nowhere/at/all.ndjson', 'cannot write to "/nowhere/at/all.ndjson": ENOENT'],
  ])('refuses %j', (name, why) => {
    expect(() => recorder(name)).toThrow(InvalidOptionsError);
    expect(() => recorder(name)).toThrow(why);
  });

  it.each([
    [{ maxFiles: 0 }, 'maxFiles'],
    [{ maxFileBytes: 10 }, 'maxFileBytes'],
    [{ redact: 'all' }, 'redact'],
    [{ redcat: () => 1 }, 'redcat'],
  ])('refuses the options %j', (options, why) => {
    expect(() => recorder(fresh(), options as RecorderOptions)).toThrow(why);
  });

  const script = (end: string, options = '{}') => `
    import { ReliableOrchestrator, Troupe, defineTool } from 'troupe';
    import { recorder } from 'troupe/inspect';
    const troupe = new Troupe({ inspect: recorder(process.argv[1], ${options}) });
    const tool = defineTool({ name: 'add', execute: () => 2 });
    await new ReliableOrchestrator({ troupe }).run({ tool, request: {} });
    ${end}`;
  const play = (end: string, name: string, options?: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script(end, options), name], {
      cwd: root,
      encoding: 'utf8',
      timeout: 10_000,
    });

  it.each([
    ['ends by itself', '', 0],
    ['calls process.exit()', 'process.exit(3);', 3],
    ['throws', 'throw new Error("boom");', 1],
  ])('is complete when the process %s', (_, end, code) => {
    const name = fresh();
    const { status } = play(end, name);
    expect(status).toBe(code);
    const records = recordsOf(name);
    expect(ofKind(records, 'ended')).toHaveLength(1);
    expect(ofKind(records, 'providers')).toHaveLength(1);
  });

  it('has whole lines but for the last when the process is killed, and at most 50 ms less', () => {
    const name = fresh();
    const { signal } = play('setTimeout(() => process.kill(process.pid, "SIGKILL"), 150);', name);
    expect(signal).toBe('SIGKILL');
    const text = readFileSync(name, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n')).split('\n');
    expect(whole.map((line) => (JSON.parse(line) as { kind: string }).kind)).toContain('ended');
  });

  it('ends the recording and not the run when the disk fails', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const full = '/dev/full';
    if (!existsSync(full)) throw new Error('This test needs Linux.');
    const recording = recorder(full);
    const orchestrator = new ReliableOrchestrator({ troupe: new Troupe({ inspect: recording }) });
    const { content } = await orchestrator.run({ tool: add, request: { a: 1, b: 2 } });
    recording.flush();
    expect(content).toBe(3);
    expect(warn.mock.calls.flat().join()).toMatch(/The recording "\/dev\/full" ends here: ENOSPC/);
    await orchestrator.run({ tool: add, request: { a: 1, b: 2 } });
    recording.close();
    warn.mockRestore();
  });
});

it('remembers no more than it must of charts and budgets that are made again and again', async () => {
  const { name, orchestrator, recording } = recorded({
    complete: true,
    maxFileBytes: 4 * 1024 * 1024,
    maxFiles: 1,
  });
  for (let i = 0; i < 250; i++) {
    createActor(createMachine({ id: `mine ${i}`, initial: 'a', states: { a: {} } }), {
      inspect: recording,
    }).start();
  }
  const tool = defineTool({ name: 'add', estimate: () => ({ tokens: 1 }), execute: () => 1 });
  for (let i = 0; i < 1500; i++) {
    await orchestrator.run({ tool, request: {}, options: { budget: new Budget({ tokens: 10 }) } });
  }
  // The file is begun anew before it is full: then all that stands is told once more.
  for (let i = 0; i < 1500; i++) await orchestrator.run({ tool, request: {} });
  recording.close();
  const records = recordsOf(name);
  expect(ofKind(records, 'chart').length).toBeLessThanOrEqual(200);
  expect(ofKind(records, 'state').length).toBeGreaterThan(900);
  expect(ofKind(records, 'state').length).toBeLessThanOrEqual(1000);
});

describe('where it would take too much of the time', () => {
  const busy = async (options: RecorderOptions, runs: number) => {
    const { name, orchestrator, recording } = recorded({ maxFiles: 1, maxFileBytes: 1024 ** 3, ...options });
    for (let i = 0; i < runs; i++) await orchestrator.run({ tool: add, request: { a: i, b: 1 } });
    // What is known by now is written; then one more, after a rest.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await orchestrator.run({ tool: add, request: { a: -1, b: 1 } });
    recording.close();
    const records = recordsOf(name);
    const ended = ofKind(records, 'ended').length;
    const lost = ofKind(records, 'lost').reduce((sum, record) => sum + record.runs, 0);
    return { records, ended, lost };
  };

  it('leaves some runs out as a whole, says how many, and goes on when there is time', async () => {
    const { records, ended, lost } = await busy({}, 20_000);
    expect(lost).toBeGreaterThan(0);
    expect(ended + lost).toBe(20_001);
    // Each that is there is there from its beginning to its end.
    expect(
      ofKind(records, 'run')
        .map(({ run }) => run)
        .sort(),
    ).toEqual(
      ofKind(records, 'ended')
        .map(({ run }) => run)
        .sort(),
    );
    expect(ofKind(records, 'run').at(-1)!.request).toEqual({ a: -1, b: 1 });
  }, 60_000);

  it('leaves none out of a hundred in a second, however long each takes to write down', async () => {
    const { name, orchestrator, recording } = recorded();
    const request = { text: 'x'.repeat(200_000) };
    const big = defineTool({ name: 'big', execute: () => request });
    for (let i = 0; i < 90; i++) {
      await orchestrator.run({ tool: big, request });
      recording.flush();
    }
    recording.close();
    const records = recordsOf(name);
    expect([ofKind(records, 'ended').length, ofKind(records, 'lost').length]).toEqual([90, 0]);
  }, 60_000);

  it('leaves none out with `complete`', async () => {
    const { ended, lost } = await busy({ complete: true }, 8000);
    expect([ended, lost]).toEqual([8001, 0]);
  }, 60_000);
});

it('an existing file that is no recording is replaced', () => {
  const name = fresh();
  writeFileSync(name, 'something else');
  recorder(name).close();
  expect(recordsOf(name)[0]!.kind).toBe('head');
});
