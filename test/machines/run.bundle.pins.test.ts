import { describe, expect, it } from 'vitest';
import { runMachine, type RunChartEvent, type RunInput } from '../../src/machines/index.js';
import { answeredInPart, candidate, failed, FATAL, granted, refused } from './attempt.walks.js';
import { walk } from './coverage.js';
import { bundleEnded, noReplicateAnswered, runInput } from './run.walks.js';

/** Where a run stands after some events, and what the last of them asked for. */
function after(input: Partial<RunInput>, ...events: RunChartEvent[]) {
  const { steps, end } = walk(runMachine, runInput(input), events);
  const { asked } = steps.at(-1)!;
  const params = (type: string) => asked.filter((a) => a.type === type).map((a) => a.params);
  return {
    value: end.value,
    context: end.context,
    end: end.context.end,
    params,
    asked: asked.map((a) => a.type),
  };
}

const bundle = (tool: string) => candidate(tool, { isBundle: true });
const alone = { candidates: [bundle('b')] };
const first = { candidates: [bundle('b'), candidate('c')] };
const decided: RunChartEvent = { type: 'bundle.decided' };
const cancel: RunChartEvent = { type: 'cancel' };

describe('a bundle tool', () => {
  it('is asked by a supervisor, without a slot, permit or reservation for the whole', () => {
    const begun = after(alone);
    expect([begun.value, begun.asked]).toEqual([{ bundling: 'asking' }, ['startBundle']]);
    expect(begun.context.bundle).toBe('running');
  });

  it.each(['completed', 'partial'] as const)('whose evidence is %s ends the run so', (status) => {
    const over = after(first, bundleEnded(status));
    expect([over.value, over.params('finish')]).toEqual([status, [{ status }]]);
  });

  it('without a valid replicate falls over to the next tool, and says why; the last one fails the run', () => {
    const next = after(first, decided, noReplicateAnswered);
    expect(next.value).toEqual({ attempting: { awaiting: 'admission' } });
    expect(next.params('announceFallback')).toEqual([{ from: 'b', to: 'c', reason: 'server' }]);
    const last = after(alone, noReplicateAnswered);
    expect([last.value, last.end?.code, last.end?.why]).toEqual([
      'failed',
      'server',
      'no replicate could answer',
    ]);
    expect(last.context.failures).toEqual([{ tool: 'b', attempt: 1, category: 'server', message: 'server' }]);
  });

  it('may follow a tool that failed or refused, and another bundle', () => {
    const second = { candidates: [candidate('a', { maxRetries: 0 }), bundle('b')] };
    expect(after(second, granted, failed(1, FATAL)).value).toEqual({ bundling: 'asking' });
    expect(after(second, refused('breaker_open')).value).toEqual({ bundling: 'asking' });
    const two = { candidates: [bundle('b'), bundle('c')] };
    expect(after(two, noReplicateAnswered).asked).toEqual(['announceFallback', 'startBundle']);
  });

  it('is no reason any more once the tool after it has failed for one of its own', () => {
    const over = after(first, noReplicateAnswered, granted, failed(1, FATAL));
    expect([over.value, over.end?.code]).toEqual(['failed', 'validation']);
  });

  it('that made its bundle by itself may have answered in part', () => {
    const over = after({}, granted, answeredInPart(1));
    expect([over.value, over.context.inFlight]).toEqual(['partial', []]);
  });
});

describe('a limit or a cancel', () => {
  it.each([
    ['cancel', 'cancelled'],
    ['deadline.passed', 'timed_out'],
    ['budget.exceeded', 'budget_exceeded'],
  ] as const)('while replicates are asked, %s, stops the bundle and waits for its end', (type, status) => {
    const stopping = after(alone, { type });
    expect([stopping.value, stopping.params('abortBundle')]).toEqual(['settling', [{ cause: status }]]);
    expect(after(alone, { type }, { type: 'timer.grace' }).value).toBe('settling');
    expect(after(alone, { type }, decided).value).toBe('settling');
    expect(after(alone, { type }, decided, bundleEnded('cut')).value).toBe(status);
    expect(after(alone, { type }, bundleEnded('completed')).value).toBe(status);
  });

  it('when the answer is known only hurries the bundle, and the answer counts', () => {
    for (const type of ['cancel', 'deadline.passed'] as const) {
      const hurried = after(alone, decided, { type });
      expect([hurried.value, hurried.asked]).toEqual([{ bundling: 'reducing' }, ['hurryBundle']]);
      expect(after(alone, decided, { type }, bundleEnded('completed')).value).toBe('completed');
    }
    expect(after(alone, decided, { type: 'budget.exceeded' }).asked).toEqual([]);
  });

  it('when it is known that no replicate answered rules out the next tool', () => {
    for (const type of ['cancel', 'deadline.passed'] as const) {
      const over = after(first, decided, { type }, noReplicateAnswered);
      expect(over.asked).not.toContain('announceFallback');
      expect(over.asked.at(-1)).toBe('finish');
    }
    expect(after(first, cancel, bundleEnded('cut')).value).toBe('cancelled');
  });
});
