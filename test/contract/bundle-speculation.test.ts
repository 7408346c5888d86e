import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/index.js';
import { fail, hang, ignoreAbort, ok, slow, type ScriptStep } from '../../src/testing/index.js';
import { answers, bundleFrom, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const after = (ms: number, answer: JsonValue): ScriptStep => slow(ms, ok(answer));

describe('`speculate`', () => {
  it('issues all k at once, in one round', async () => {
    const { sim, tool, start } = stage([after(10, 'A')]);
    const run = start({ k: 7, speculate: true });
    await sim.flush();
    expect(tool.calls).toHaveLength(7);
    await sim.runToIdle();
    expect(bundleOf(await run.output).meta).toMatchObject({ k: 7, issued: 7, rounds: 1 });
  });

  it('without it only those are issued that could settle it', async () => {
    const { sim, tool, start } = stage([after(10, 'A')]);
    const run = start({ k: 7 });
    await sim.flush();
    expect(tool.calls).toHaveLength(2);
    await sim.runToIdle();
    await run.output;
  });

  it('aborts the losers as soon as the answer is known: their signals fire, and they are cancelled', async () => {
    const { sim, tool, start } = stage([
      after(30, 'A'),
      after(10, 'A'),
      after(50, 'B'),
      after(20, 'A'),
      hang(),
    ]);
    const run = start({ k: 5, speculate: true });
    await sim.runToIdle();
    const output = await run.output;
    expect(output).toMatchObject({ status: 'completed', elapsedMs: 20 });
    const { meta, replicates, summary } = bundleOf(output);
    expect(replicates.map(({ status }) => status)).toEqual([
      'cancelled',
      'valid',
      'cancelled',
      'valid',
      'cancelled',
    ]);
    expect(tool.calls.map(({ context }) => context.signal.aborted)).toEqual([true, false, true, false, true]);
    expect(meta).toMatchObject({ issued: 5, valid: 2, stopReason: 'posterior', earlyStopped: true });
    expect(summary).toMatchObject({ leader: 'A', confidence: 0.875 });
  });

  it('a hanging replicate does not hold up a bundle that is decided', async () => {
    const output = await stage([hang(), after(10, 'A'), after(10, 'A')]).go({ speculate: true });
    expect(output).toMatchObject({ status: 'completed', elapsedMs: 10 });
  });

  it('one that ignores its signal holds it up for `abortGraceMs`, and is named in a warning', async () => {
    const { go } = stage([ignoreAbort(), after(10, 'A'), after(10, 'A')]);
    const output = await go({ speculate: true }, { abortGraceMs: 200 });
    expect(output).toMatchObject({ status: 'completed', elapsedMs: 210 });
    expect(output.metadata.warnings.join()).toContain('panel');
  });

  it('losers count neither for nor against completed', async () => {
    const output = await stage([after(10, 'A'), after(10, 'A'), hang()]).go({ k: 9, speculate: true });
    expect(output.status).toBe('completed');
    expect(bundleOf(output).meta).toMatchObject({ issued: 9, valid: 2 });
  });

  it('failures do count', async () => {
    const step = [after(20, 'A'), after(20, 'A'), slow(10, fail(400)), slow(10, fail(400))];
    const output = await stage(step).go({ k: 4, speculate: true });
    expect(output.status).toBe('partial');
  });

  it('takes back what had not begun under `maxParallel`: it was never issued', async () => {
    const { sim, tool, start } = stage([after(10, 'A'), after(20, 'A'), hang()]);
    const run = start({ k: 8, speculate: true, maxParallel: 2 });
    await sim.runToIdle();
    const { meta, replicates } = bundleOf(await run.output);
    // The third had the first one's place.
    expect(tool.calls).toHaveLength(3);
    expect(meta).toMatchObject({ k: 8, issued: 3, valid: 2, earlyStopped: true });
    expect(replicates.map(({ status }) => status)).toEqual(['valid', 'valid', 'cancelled']);
    const events = await eventsOf(run);
    expect(ofType(events, 'replicate_started')).toHaveLength(3);
    expect(ofType(events, 'replicate_done')).toHaveLength(3);
  });

  it('judges answers as they come: the first that settle it decide', async () => {
    const { summary, meta } = await bundleFrom(
      [after(40, 'A'), after(30, 'A'), after(20, 'B'), after(10, 'B')],
      { k: 4, speculate: true },
    );
    expect(meta).toMatchObject({ valid: 2, stopReason: 'posterior' });
    expect(summary.leader).toBe('B');
  });

  it('with answers that never settle it asks all, and says `cap`', async () => {
    const { meta } = await bundleFrom(answers('A', 'B', 'C'), { k: 3, speculate: true });
    expect(meta).toMatchObject({ issued: 3, stopReason: 'cap', earlyStopped: false });
  });

  it('pays for what losers had charged, and counts their reservation where they said nothing', async () => {
    const { go } = stage(
      [
        slow(10, ok('A', { totalTokens: 1 })),
        slow(10, ok('A', { totalTokens: 1 })),
        (call) => {
          call.context.budget.charge({ totalTokens: 3 });
          return hang()(call);
        },
      ],
      { estimate: () => ({ tokens: 7 }) },
    );
    const output = await go({ speculate: true });
    const [, , loser] = bundleOf(output).replicates;
    expect(loser).toMatchObject({ status: 'cancelled', usage: { totalTokens: 7, estimated: true } });
    expect(output.usage).toMatchObject({ totalTokens: 9, estimated: true });
  });

  it('reduces in index order, whoever came first: a tie goes to the lowest index', async () => {
    const { replicates, summary } = await bundleFrom(
      [after(30, 'B'), after(10, 'A'), after(20, 'A'), after(40, 'B')],
      { k: 4, speculate: true, stopping: 'fixed' },
    );
    expect(replicates.map(({ data }) => data)).toEqual(['B', 'A', 'A', 'B']);
    expect(summary.leader).toBe('B');
  });

  it('reports the window that ended it under `esc`, though losers have settled since', async () => {
    const given = ['A', 'A', 'C', 'A', 'A', 'D', 'B', 'B', 'B'];
    const { meta, summary } = await bundleFrom(
      ({ index, ...call }) => (given[index] ? after(10 * (index + 1), given[index]) : hang())({ ...call }),
      { k: 11, maxParallel: 11, speculate: true, stopping: 'esc', window: 3 },
    );
    expect(meta).toMatchObject({ stopReason: 'esc', valid: 9 });
    expect(summary.leader).toBe('B');
  });

  it('takes back hundreds that had not begun', async () => {
    const { sim, tool, start } = stage([after(10, 'A'), after(20, 'A'), hang()]);
    const run = start({ k: 500, speculate: true, maxParallel: 2 });
    await sim.runToIdle();
    const output = await run.output;
    expect(output.status).toBe('completed');
    expect(bundleOf(output).meta).toMatchObject({ k: 500, issued: 3, valid: 2 });
    expect(tool.calls).toHaveLength(3);
  });
});
