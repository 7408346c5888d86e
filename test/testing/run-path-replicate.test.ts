import { describe, expect, it } from 'vitest';
import { BundleTool, type EvidenceBundle, type ReplicateDraw, type ToolContext } from '../../src/index.js';
import { replicateMachine, type ReplicateChartEvent } from '../../src/machines/index.js';
import { failurePaths, PathDivergence, runPath, type Backend } from '../../src/testing/index.js';

const paths = failurePaths(replicateMachine, { kinds: ['failing', 'degraded', 'cancelled', 'good'] });
const reachable = paths.filter(({ unreachable }) => unreachable === undefined);
const beginnings = [...new Set(paths.map(({ beginning }) => beginning))];
const byStory = (story: string) => reachable.find((path) => path.story === story)!;

/** What the evidence says of a replicate whose chart went a path; undefined: nothing, for it never began. */
function statusAfter(events: readonly ReplicateChartEvent[], end: string) {
  const isLoser = events.some((event) => event.type === 'replicate.stop' && event.cause === 'loser');
  const hasBegun = events.some(({ type }) => type === 'turn.granted');
  if (!hasBegun) return undefined;
  // It answered after the bundle was decided.
  return isLoser && end === 'valid' ? 'cancelled' : end;
}

describe('every path of the replicate chart that the runtime can go', () => {
  it.each(beginnings)('is gone by a real replicate: %s', { timeout: 120_000 }, async (beginning) => {
    const mine = reachable.filter((path) => path.beginning === beginning);
    expect(mine.length).toBeGreaterThan(50);
    for (const path of mine) {
      const { states, output, calls } = await runPath(path);
      expect(states).toEqual([path.start, ...path.steps.map(({ state }) => state)]);
      const { replicates } = (output!.content as { evidenceBundle: EvidenceBundle }).evidenceBundle;
      const events = path.steps.map(({ event }) => event);
      expect([path.id, replicates[1]?.status]).toEqual([path.id, statusAfter(events, path.end.state)]);
      const made = events.filter(({ type }) => type === 'attempt.granted' || type === 'hedge.granted');
      expect(calls.length).toBe(made.length);
    }
  });

  it('is nearly all of them', () => {
    expect(reachable.length).toBeGreaterThan(1000);
    expect(new Set(paths.map(({ unreachable }) => unreachable))).toEqual(
      new Set([
        undefined,
        'its bundle stops it once, and a call that has answered spends no more',
        'a breaker says itself when its time is up, before the timer of who waits for it',
      ]),
    );
    expect(paths.length - reachable.length).toBeLessThan(30);
  });
});

/** A bundle tool as users write them. */
class Vote extends BundleTool<{ question: string }, string> {
  readonly name = 'vote';

  constructor(private readonly backend: Backend) {
    super();
  }

  override async replicate(
    { question }: { question: string },
    { seed }: ReplicateDraw,
    { signal }: ToolContext,
  ) {
    const body = JSON.stringify({ question, seed });
    const response = await this.backend.fetch('https://model.example', { method: 'POST', body, signal });
    if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
    return ((await response.json()) as { text: string }).text;
  }
}

describe('a bundle tool of the user on a path of its replicate', () => {
  const harness = { request: { question: 'Why?' }, answer: { text: 'because' } };
  const path = byStory('a 503, a answers: valid');

  it('answers after a retry', async () => {
    const { output, calls } = await runPath(path, { ...harness, tool: (backend) => new Vote(backend) });
    expect(calls).toEqual(['threw', 'answered']);
    expect(output!.content).toMatchObject({
      evidenceBundle: { replicates: [{}, { status: 'valid', data: 'because', attempts: 2 }] },
    });
  });

  it('that takes a failure for an answer leaves the path', async () => {
    class Careless extends Vote {
      override replicate(...args: Parameters<Vote['replicate']>) {
        return super.replicate(...args).catch(() => 'no answer');
      }
    }
    const walk = runPath(path, { ...harness, tool: (backend) => new Careless(backend) });
    await expect(walk).rejects.toThrow(PathDivergence);
    await expect(walk).rejects.toThrow('it heard call.succeeded and was in validating');
  });
});
