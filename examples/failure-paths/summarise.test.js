import { describe, expect, it } from 'vitest';
import { runMachine } from 'troupe/machines';
import { coverage, failurePaths, runPath } from 'troupe/testing';
import { Summarise } from './summarise.js';

// Every way in which a run of a tool can go wrong, as the charts have it.
const paths = failurePaths(runMachine).filter(({ unreachable }) => !unreachable);

// The tool, with a `fetch` that answers, fails and hangs as a path says.
const harness = {
  tool: (backend) => new Summarise(backend),
  request: { text: 'A long story.' },
  answer: { summary: 'Short.', tokens: 40 },
};

describe('summarise', () => {
  it.each(paths.map((path) => [path.story, path]))('%s', async (_story, path) => {
    const { output, calls, error } = await runPath(path, harness);
    if (path.end.state === 'rejected') return expect(error.code).toMatch(/conflict|planning_failed/);
    expect(output.status).toBe(path.end.state);
    // Each call is paid for once, also those that failed or came too late.
    if (!output.metadata.replayed) expect(output.usage.calls).toBe(calls.length);
  });

  it('has no failure path that is not tried', () => {
    const ways = failurePaths(runMachine, { kinds: ['failing', 'degraded', 'cancelled', 'good'] });
    expect(coverage(runMachine, ways).transitions.unwalked).toEqual([]);
  });
});
