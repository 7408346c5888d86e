import { describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { defineTool, orThrow } from '../../src/index.js';
import { runMachine } from '../../src/machines/index.js';
import { failurePaths, PathDivergence, runPath, type Backend } from '../../src/testing/index.js';

const paths = failurePaths(runMachine, { kinds: ['failing', 'degraded', 'cancelled', 'good'] });
const reachable = paths.filter(({ unreachable }) => unreachable === undefined);
const byStory = (story: string) => reachable.find((path) => path.story === story)!;
const beginnings = [...new Set(paths.map(({ beginning }) => beginning))];

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];

describe('every path of the run chart that the runtime can go', () => {
  it.each(beginnings)('is gone by the real orchestrator: %s', { timeout: 120_000 }, async (beginning) => {
    const mine = reachable.filter((path) => path.beginning === beginning);
    expect(mine.length).toBeGreaterThan(10);
    for (const path of mine) {
      const { states, output, events } = await runPath(path);
      expect(states).toEqual([path.start, ...path.steps.map(({ state }) => state)]);
      if (path.end.state !== 'rejected') {
        expect(output!.status).toBe(path.end.state);
        const own = events.filter(({ runId }) => runId === events[0]!.runId);
        expect(own.filter(({ type }) => TERMINAL.includes(type))).toEqual([own.at(-1)]);
      }
    }
  });

  it('is nearly all of them', () => {
    expect(reachable.length).toBeGreaterThan(1000);
    expect(paths.length - reachable.length).toBeLessThan(20);
  });
});

/** A tool over HTTP, as users write them. */
function summariser({ fetch }: Backend) {
  return defineTool({
    name: 'summarise',
    async execute(request: { text: string }, _options, { signal }) {
      const response = await fetch('https://model.example/summary', {
        method: 'POST',
        body: request.text,
        signal,
      });
      if (!response.ok) {
        const { status, headers } = response;
        throw Object.assign(new Error(`HTTP ${status}`), { status, headers });
      }
      return ((await response.json()) as { summary: string }).summary;
    },
  });
}

describe('a tool of the user on a path', () => {
  const harness = { tool: summariser, request: { text: 'long' }, answer: { summary: 'short' } };

  it('answers after a retry', async () => {
    const { output, calls } = await runPath(byStory('a 503, a answers: completed'), harness);
    expect(orThrow(output!)).toBe('short');
    expect(calls).toEqual(['threw', 'answered']);
    expect(output!.metadata.attempts).toBe(2);
  });

  it('keeps what its backend asked for in Retry-After', async () => {
    const path = byStory(
      'a 429 that asks for a longer wait than is allowed, b is tried instead, a 400: failed',
    );
    const { output } = await runPath(path, harness);
    expect(output!.error).toMatchObject({
      failures: [{ category: 'rate_limit', status: 429, retryAfterMs: 1000 }, { category: 'validation' }],
    });
  });

  it('obeys its signal', async () => {
    const { error, calls } = await runPath(
      byStory('it is cancelled in the middle of a call, a 503: cancelled'),
      harness,
    );
    expect(error).toMatchObject({ name: 'AbortError', code: 'cancelled' });
    expect(calls).toEqual(['threw']);
  });

  it('that takes a failure for an answer leaves the path, which says where', async () => {
    const careless = ({ fetch }: Backend) =>
      defineTool({
        name: 'careless',
        execute: async (_request, _options, { signal }) =>
          (await fetch('https://model.example', { signal })).json(),
      });
    const walk = runPath(byStory('a 503, a answers: completed'), { ...harness, tool: careless });
    await expect(walk).rejects.toThrow(PathDivergence);
    await expect(walk).rejects.toMatchObject({
      step: 1,
      message:
        'The run left the path at step 2 of 5 (a 503, a answers: completed). By the path: call.failed, then attempting.backingOff; ' +
        'in the run: it heard call.succeeded and was in completed. The tools by themselves: call 1: answered.',
    });
  });

  it('that loses the status of a failure is not called again: the next tool is tried', async () => {
    const vague = ({ call }: Backend) =>
      defineTool({
        name: 'vague',
        execute: async (_request, _options, { signal }) =>
          call({ signal }).catch(() => {
            throw new Error('it did not work');
          }),
      });
    await expect(runPath(byStory('a 503, a answers: completed'), { tool: vague })).rejects.toThrow(
      'in the run: it heard call.failed and was in attempting.awaiting.admission',
    );
  });

  it('that forgets its signal leaves the path', async () => {
    const forgetful = ({ fetch }: Backend) =>
      defineTool({ name: 'forgetful', execute: async () => (await fetch('https://model.example')).json() });
    await expect(
      runPath(byStory('it is cancelled in the middle of a call, a 503: cancelled'), { tool: forgetful }),
    ).rejects.toThrow('call 1 went on though its signal was aborted');
  });

  it('that fails by a fault of its own says which', async () => {
    const broken = () =>
      defineTool({
        name: 'broken',
        execute: () => {
          throw new TypeError('x is not a function');
        },
      });
    const walk = runPath(byStory('a 503, a answers: completed'), { tool: broken });
    await expect(walk).rejects.toThrow('call 1: threw "x is not a function"');
    await expect(walk).rejects.toMatchObject({ cause: expect.any(TypeError) });
  });

  it('whose schema refuses the request leaves the path, and the message says why', async () => {
    const picky = ({ call }: Backend) =>
      defineTool({ name: 'picky', input: z.object({ text: z.string() }), execute: () => call() });
    await expect(runPath(byStory('a 503, a answers: completed'), { tool: picky })).rejects.toThrow(
      'The last failure it noted: The request does not match its `input` schema',
    );
  });

  it('that ignores its signal shows as a call that has not settled', async () => {
    const deaf = ({ call }: Backend) => defineTool({ name: 'deaf', execute: () => call() });
    const path = byStory('it is cancelled in the middle of a call, its call ignores the abort: cancelled');
    const { calls, output } = await runPath(path, { tool: deaf });
    expect(calls).toEqual([undefined]);
    expect(output!.metadata.warnings.join()).toContain('ignored its signal');
  });
});

describe('fake timers of a test', () => {
  it('do not hold up what runs on simulated time', async () => {
    vi.useFakeTimers();
    try {
      expect((await runPath(byStory('a 503, a answers: completed'))).output?.status).toBe('completed');
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('what runPath does not take', () => {
  const [path] = reachable as [(typeof reachable)[0]];

  it.each([
    [
      { ...path, chart: 'order' },
      /walks paths that failurePaths\(\) made of Troupe's own charts \(run, .*\), got one of order\./,
    ],
    [undefined, 'got one of undefined.'],
    [paths.find(({ unreachable }) => unreachable), 'Leave out paths that have `unreachable`.'],
  ])('%#', async (given, message) => {
    await expect(runPath(given as never)).rejects.toThrow(message);
  });

  it.each([
    [
      { tool: defineTool({ name: 'a', execute: () => 1 }) },
      'Option `harness.tool` is not valid: must be a function',
    ],
    [{ tool: () => ({}) }, 'Option `harness.tool` must give a Tool: extend `Tool`, or use `defineTool`.'],
    [{ tools: [] }, 'Unknown option `harness.tools`'],
  ])('%#', async (harness, message) => {
    await expect(runPath(path, harness as never)).rejects.toThrow(message);
  });
});
