import { describe, expect, it } from 'vitest';
import { runMachine, type RunChartEvent, type RunInput } from '../../src/machines/index.js';
import {
  answeredInPart,
  candidate,
  failed,
  FATAL,
  granted,
  refused,
} from '../../src/testing/paths/attempt-events.js';
import { walk } from './coverage.js';
import { bundleEnded, noReplicateAnswered, runInput, shownInPart } from './run.walks.js';

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
const passed: RunChartEvent = { type: 'deadline.passed' };

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

  it('that has shown part of an answer is followed by no other tool, and fails the run for its own reason', () => {
    for (const input of [first, { candidates: [bundle('b'), bundle('c')] }]) {
      for (const events of [[shownInPart], [decided, shownInPart]]) {
        const over = after(input, ...events);
        expect([over.value, over.asked]).toEqual(['failed', ['finish']]);
        expect([over.end?.code, over.end?.why]).toEqual(['server', 'no replicate could answer']);
        expect(over.context).toMatchObject({ candidate: 0, bundleEnd: { code: 'server', committed: true } });
      }
    }
  });

  it('that has shown nothing is the past of a run only: the next bundle decides for itself', () => {
    const two = { candidates: [bundle('b'), bundle('c'), candidate('d')] };
    expect(after(two, noReplicateAnswered).context.bundleEnd).toBeNull();
    expect(after(two, noReplicateAnswered, shownInPart).value).toBe('failed');
    expect(after(two, noReplicateAnswered, noReplicateAnswered).value).toEqual({
      attempting: { awaiting: 'admission' },
    });
  });

  it('that has shown part of an answer and then gave a whole one ends the run with that', () => {
    const whole = { type: 'bundle.ended', end: null, committed: true, failures: [] } as const;
    for (const status of ['completed', 'partial'] as const) {
      expect(after(first, { ...whole, status }).value).toBe(status);
    }
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
      for (const status of ['completed', 'partial'] as const) {
        const over = after(alone, decided, { type }, bundleEnded(status));
        expect([over.value, over.end?.code]).toEqual([status, null]);
      }
    }
    expect(after(alone, decided, { type: 'budget.exceeded' }).asked).toEqual([]);
  });

  it('when the answer is known counts once: another one hurries nobody, and changes no cause', () => {
    const twice = after(alone, decided, passed, cancel);
    expect([twice.value, twice.asked]).toEqual([{ bundling: 'reducing' }, []]);
    expect(after(alone, decided, passed, cancel, noReplicateAnswered).value).toBe('timed_out');
    expect(after(alone, decided, cancel, passed, noReplicateAnswered).value).toBe('cancelled');
  });

  it.each([
    ['cancel', 'cancelled', 'cancelled'],
    ['deadline.passed', 'timed_out', 'deadline_exceeded'],
  ] as const)(
    'when it is known that no replicate answered, %s, is how it ends, and no other tool is asked',
    (type, status, code) => {
      for (const input of [alone, first]) {
        const over = after(input, decided, { type }, noReplicateAnswered);
        expect(over.asked).not.toContain('announceFallback');
        expect([over.value, over.params('finish')]).toEqual([status, [{ status }]]);
        expect(over.end).toEqual({ status, code, why: null, retryAfterMs: null });
        expect(over.context.failures.map(({ category }) => category)).toEqual(['server']);
      }
    },
  );

  it('when it is known that no replicate answered is how it ends, though part of an answer was shown', () => {
    expect(after(first, decided, passed, shownInPart).value).toBe('timed_out');
    expect(after(first, cancel, shownInPart).value).toBe('cancelled');
  });

  it('of budget when it is known that no replicate answered is none: the next tool is asked', () => {
    const next = after(first, decided, { type: 'budget.exceeded' }, noReplicateAnswered);
    expect(next.asked).toContain('announceFallback');
  });

  it('before the answer is known is no matter of the evidence', () => {
    expect(after(first, cancel, bundleEnded('cut')).value).toBe('cancelled');
    expect(after(first, cancel, noReplicateAnswered).value).toBe('cancelled');
  });
});

describe('when to come back', () => {
  const allRefused = (retryAfterMs: number | null): RunChartEvent => ({
    type: 'bundle.ended',
    status: 'failed',
    end: { code: 'breaker_open', why: null, retryAfterMs },
    committed: false,
    failures: [],
  });
  const second = { candidates: [candidate('a'), bundle('b')] };
  const two = { candidates: [bundle('b'), bundle('c')] };
  const wait = (input: Partial<RunInput>, ...events: RunChartEvent[]) => {
    const { value, end } = after(input, ...events);
    return [value, end?.retryAfterMs];
  };

  it('is what a bundle says that could not ask', () => {
    expect(wait(alone, allRefused(50))).toEqual(['failed', 50]);
    expect(wait(alone, allRefused(null))).toEqual(['failed', null]);
  });

  it('is when the first of the tools that refused may be asked, in whatever order', () => {
    // A tool that refuses says 7.
    expect(wait(first, allRefused(3), refused('breaker_open'))).toEqual(['failed', 3]);
    expect(wait(first, allRefused(50), refused('breaker_open'))).toEqual(['failed', 7]);
    expect(wait(first, allRefused(null), refused('breaker_open'))).toEqual(['failed', 7]);
    expect(wait(second, refused('breaker_open'), allRefused(3))).toEqual(['failed', 3]);
    expect(wait(second, refused('breaker_open'), allRefused(50))).toEqual(['failed', 7]);
    expect(wait(two, allRefused(20), allRefused(30))).toEqual(['failed', 20]);
    expect(wait(two, allRefused(30), allRefused(20))).toEqual(['failed', 20]);
  });

  it('is nothing that a bundle said once the tool after it was called', () => {
    expect(wait(first, allRefused(3), granted, failed(1, FATAL))).toEqual(['failed', null]);
  });
});
