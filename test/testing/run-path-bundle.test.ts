import { describe, expect, it } from 'vitest';
import { statusOf } from '../../src/core/evidence/bundle.js';
import { defineTool, type EvidenceBundle } from '../../src/index.js';
import { bundleMachine, type BundleChartEvent } from '../../src/machines/index.js';
import { failurePaths, PathDivergence, runPath, type Backend } from '../../src/testing/index.js';

const paths = failurePaths(bundleMachine, { kinds: ['failing', 'degraded', 'cancelled', 'good'] });
const reachable = paths.filter(({ unreachable }) => unreachable === undefined);
const beginnings = [...new Set(paths.map(({ beginning }) => beginning))];
const byStory = (story: string) => reachable.find((path) => path.story === story)!;

type Of<Type extends BundleChartEvent['type']> = Extract<BundleChartEvent, { type: Type }>;

function stopReasonOf(events: readonly BundleChartEvent[]) {
  const isTallied = (event: BundleChartEvent): event is Of<'batch.tallied'> =>
    event.type === 'batch.tallied' && event.stop !== null;
  const decision = events.find((event) => event.type === 'stop' || isTallied(event))!;
  // Once it is to stop, the evidence says so, though the rule was met in the same moment.
  const stops = events.filter((event): event is Of<'stop'> => event.type === 'stop');
  if (stops.length > 0) return stops[0]!.cause === 'cancelled' ? 'cancelled' : 'limit';
  return isTallied(decision) ? decision.stop : undefined;
}

describe('every path of the bundle chart that the runtime can go', () => {
  it.each(beginnings)('is gone by a real bundle: %s', { timeout: 60_000 }, async (beginning) => {
    const mine = reachable.filter((path) => path.beginning === beginning);
    expect(mine.length).toBeGreaterThan(60);
    for (const path of mine) {
      const { states, output } = await runPath(path);
      expect(states).toEqual([path.start, ...path.steps.map(({ state }) => state)]);
      const { meta, replicates } = (output!.content as { evidenceBundle: EvidenceBundle }).evidenceBundle;
      const events = path.steps.map(({ event }) => event);
      expect([path.id, statusOf(replicates)]).toEqual([
        path.id,
        (events.at(-1) as Of<'summary.made'>).status,
      ]);
      expect([path.id, meta.stopReason]).toEqual([path.id, stopReasonOf(events)]);
      expect(meta.issued).toBe(events.filter(({ type }) => type === 'replicate.ended').length);
    }
  });

  it('is nearly all of them', () => {
    expect(reachable.length).toBeGreaterThan(140);
    const never = new Set(paths.map(({ unreachable }) => unreachable));
    expect(never).toEqual(
      new Set([
        undefined,
        'a run tells its bundle once that it is over',
        'once the answer is known, a run hastens its bundle and does not stop it',
      ]),
    );
    expect(paths.length - reachable.length).toBeLessThan(50);
  });
});

describe('a tool of the user in the place of a replicate', () => {
  const path = byStory(
    'two replicates end, a third is needed, a replicate ends, all have been asked, the summary is made (partial): partial',
  );

  it('answers as its backend does', async () => {
    const model = ({ call }: Backend) =>
      defineTool({
        name: 'model',
        execute: async (_request, _options, { signal }) =>
          ((await call({ signal })) as { text: string }).text.toUpperCase(),
      });
    const { output, calls } = await runPath(path, { tool: model, answer: { text: 'yes' } });
    expect(calls).toEqual(['answered', 'threw', 'threw']);
    expect(output!.content).toMatchObject({ evidenceBundle: { summary: { consensus: 'YES' } } });
  });

  it('that takes a failure for an answer leaves the path', async () => {
    const careless = ({ call }: Backend) =>
      defineTool({ name: 'careless', execute: () => call().catch(() => null) });
    await expect(runPath(path, { tool: careless, answer: null })).rejects.toThrow(PathDivergence);
  });
});
