import { describe, expect, it } from 'vitest';
import { bundleMachine, type BundleChartEvent, type BundleInput } from '../../src/machines/index.js';
import { bundleInput, decide, ended, goOn, grace, hurry, made, stop, withdrawn } from './bundle.walks.js';
import { walk } from './coverage.js';

/** Where a bundle stands after some events, and what the last of them asked for. */
function after(input: Partial<BundleInput>, ...events: BundleChartEvent[]) {
  const { steps, end } = walk(bundleMachine, bundleInput(input), events);
  const { asked } = steps.at(-1)!;
  const params = (type: string) => asked.filter((a) => a.type === type).map((a) => a.params);
  return { value: end.value, context: end.context, params, asked: asked.map((a) => a.type) };
}

/** What all events together asked for, in order. */
function story(input: Partial<BundleInput>, ...events: BundleChartEvent[]): string[] {
  const { steps } = walk(bundleMachine, bundleInput(input), events);
  return steps.flatMap(({ asked }) => asked.map(({ type }) => type));
}

const GRACE = { timer: 'grace', inMs: 10 };

describe('batches without loss', () => {
  const firstBatch = [ended, ended];
  const both = [...firstBatch, goOn(1), ended];

  it('begin with the first one, as large as the rule needs', () => {
    const begun = after({ first: 2 });
    expect([begun.value, begun.params('issueBatch')]).toEqual(['collecting', [{ size: 2 }]]);
    expect(begun.context).toMatchObject({ rounds: 1, issued: 2, ended: 0, stopReason: null, cut: null });
  });

  it('are judged when they are counted, not when the last replicate has ended', () => {
    const settled = after({ first: 2 }, ...firstBatch);
    expect([settled.value, settled.asked]).toEqual(['collecting', []]);
  });

  it('go on with as many as the tally says', () => {
    const second = after({ first: 2 }, ...firstBatch, goOn(3));
    expect([second.value, second.params('issueBatch')]).toEqual(['collecting', [{ size: 3 }]]);
    expect(second.context).toMatchObject({ rounds: 2, issued: 5, ended: 2 });
  });

  it('leave no losers: a rule that stops after the second aborts nobody and reduces at once', () => {
    const stopped = after({ first: 2 }, ...both, decide('posterior'));
    expect(stopped.value).toBe('reducing');
    expect(stopped.asked).toEqual(['abortReplicates', 'announceDecided', 'summarise']);
    expect(stopped.params('summarise')).toEqual([{ plain: false }]);
    expect(stopped.context).toMatchObject({ rounds: 2, issued: 3, ended: 3, stopReason: 'posterior' });
    expect(after({ first: 2 }, ...both, decide('posterior'), made('completed')).value).toBe('completed');
  });

  it('end at the cap, where all are asked and nobody is aborted', () => {
    const capped = after({ first: 2 }, ...both, decide('cap'));
    expect([capped.value, capped.asked]).toEqual(['reducing', ['announceDecided', 'summarise']]);
    expect(capped.context.stopReason).toBe('cap');
  });
});

describe('a rule that stops while replicates are in flight', () => {
  const early = [ended, ended, decide('curtailed')];

  it('aborts them as losers and waits for all of them', () => {
    const draining = after({ first: 4 }, ...early);
    expect([draining.value, draining.params('abortReplicates')]).toEqual(['draining', [{ cause: 'loser' }]]);
    expect(draining.asked).toEqual(['abortReplicates', 'announceDecided']);
    expect(after({ first: 4 }, ...early, ended).value).toBe('draining');
    const drained = after({ first: 4 }, ...early, ended, ended);
    expect([drained.value, drained.asked]).toEqual(['reducing', ['summarise']]);
  });

  it('is not held up by replicates that were taken back, and does not count them as issued', () => {
    expect(after({ first: 4 }, ...early, withdrawn(1)).value).toBe('draining');
    const rest = after({ first: 4 }, ...early, withdrawn(1), ended);
    expect([rest.value, rest.context.issued, rest.context.ended]).toEqual(['reducing', 3, 3]);
    const all = after({ first: 4 }, ...early, withdrawn(2));
    expect([all.value, all.context.issued]).toEqual(['reducing', 2]);
  });

  it('is final: what is tallied later changes nothing', () => {
    const later = after({ first: 4 }, ...early, decide('cap'), goOn(2));
    expect([later.value, later.context.stopReason, later.asked]).toEqual(['draining', 'curtailed', []]);
  });
});

describe('a stop', () => {
  it.each(['cancelled', 'timed_out', 'budget_exceeded'] as const)(
    'while collecting, %s, aborts with that cause, waits, and reduces what there is',
    (cause) => {
      const stopping = after({ first: 3 }, ended, stop(cause));
      expect([stopping.value, stopping.params('abortReplicates')]).toEqual(['draining', [{ cause }]]);
      expect(stopping.params('armTimer')).toEqual([GRACE]);
      expect(stopping.context).toMatchObject({ cut: cause, stopReason: null, isHurried: true });
      const reducing = after({ first: 3 }, ended, stop(cause), ended, withdrawn(1));
      expect([reducing.value, reducing.asked]).toEqual(['reducing', ['summarise']]);
      expect(reducing.params('summarise')).toEqual([{ plain: false }]);
    },
  );

  it.each(['completed', 'partial', 'failed'] as const)(
    'while collecting ends it cut, although the evidence would be %s',
    (status) => {
      const over = after({ first: 1 }, stop('timed_out'), ended, made(status));
      expect([over.value, over.params('finish')]).toEqual(['cut', [{ status: 'cut' }]]);
    },
  );

  it('before any replicate has begun ends with no evidence but an end', () => {
    const told = story({ first: 2 }, stop('cancelled'), withdrawn(2), made('failed'));
    expect(told).toEqual([
      'issueBatch',
      'abortReplicates',
      'armTimer',
      'announceDecided',
      'summarise',
      'disarmTimer',
      'finish',
    ]);
  });

  it('while draining or reducing arms the grace, and does not change the end', () => {
    const draining = [ended, ended, decide('posterior'), stop('cancelled')];
    const first = after({ first: 3 }, ...draining);
    expect([first.value, first.asked, first.context.cut]).toEqual(['draining', ['armTimer'], null]);
    const reducing = [ended, ended, ended, decide('cap'), stop('budget_exceeded')];
    const second = after({ first: 3 }, ...reducing);
    expect([second.value, second.asked, second.context.cut]).toEqual(['reducing', ['armTimer'], null]);
    expect([first.params('armTimer'), second.params('armTimer')]).toEqual([[GRACE], [GRACE]]);
    expect(after({ first: 3 }, ...draining, ended, made('partial')).value).toBe('partial');
    expect(after({ first: 3 }, ...reducing, made('completed')).value).toBe('completed');
  });

  it('that comes twice is told once, with the first cause', () => {
    const twice = after({ first: 1 }, stop('timed_out'), stop('cancelled'));
    expect([twice.context.cut, twice.asked]).toEqual(['timed_out', []]);
  });
});

describe('a hurry', () => {
  const capped = [ended, ended, decide('cap')];

  it('while replicates settle arms the grace there, not anew in the reduction', () => {
    const draining = [ended, decide('custom'), hurry];
    const hurried = after({}, ...draining);
    expect([hurried.value, hurried.params('armTimer')]).toEqual(['draining', [GRACE]]);
    const reducing = after({}, ...draining, ended);
    expect([reducing.value, reducing.asked]).toEqual(['reducing', ['summarise']]);
    expect(reducing.params('summarise')).toEqual([{ plain: false }]);
  });

  it('in the reduction arms the grace, which did not run', () => {
    expect(after({}, ...capped).params('armTimer')).toEqual([]);
    const hurried = after({}, ...capped, hurry);
    expect([hurried.value, hurried.params('armTimer')]).toEqual(['reducing', [GRACE]]);
  });

  it('leads to a plain summary when the grace is over, and the end is what the evidence says', () => {
    const plain = after({}, ...capped, hurry, grace);
    expect([plain.value, plain.asked]).toEqual(['reducing', ['summarise']]);
    expect(plain.params('summarise')).toEqual([{ plain: true }]);
    const over = after({}, ...capped, hurry, grace, made('partial'));
    expect([over.value, over.asked]).toEqual(['partial', ['disarmTimer', 'finish']]);
  });

  it('while replicates are still asked says nothing: the run stops the bundle instead', () => {
    const early = after({}, hurry, ...capped);
    expect([early.context.isHurried, early.params('armTimer')]).toEqual([false, []]);
  });
});

describe('the grace', () => {
  const stopped = [stop('timed_out')];
  const decided = [ended, decide('posterior')];
  const armed = (input: Partial<BundleInput>, ...events: BundleChartEvent[]) =>
    story(input, ...events).filter((type) => type === 'armTimer').length;

  it('is one for draining and reducing: the first limit begins it, later ones give no more time', () => {
    const limits = [hurry, stop('cancelled'), hurry];
    for (const begin of [
      [...stopped, ended],
      [...decided, hurry],
      [...decided, stop('cancelled')],
    ]) {
      expect(armed({}, ...begin)).toBe(1);
      expect(armed({}, ...begin, ...limits, ended, ...limits, made('partial'))).toBe(1);
    }
    expect(armed({}, ...decided, ended, ...limits, made('partial'))).toBe(1);
    expect(armed({}, ...decided, ended, made('partial'))).toBe(0);
  });

  it('goes on when the reduction begins, and is disarmed at its end', () => {
    const begun = after({}, ...stopped, ended, ended);
    expect([begun.value, begun.asked]).toEqual(['reducing', ['summarise']]);
    const over = after({}, ...stopped, ended, ended, made('partial'));
    expect([over.value, over.asked]).toEqual(['cut', ['disarmTimer', 'finish']]);
  });

  it.each([
    ['a stop', stopped, 'cut'],
    ['a hurry', [...decided, hurry], 'partial'],
    ['a stop that came too late', [...decided, stop('cancelled')], 'partial'],
  ] as const)(
    'of %s that passes while replicates settle: they are waited for, then reduced plainly at once',
    (_, begin, end) => {
      const late = after({ first: 2 }, ...begin, grace);
      expect([late.value, late.asked, late.context.isLate]).toEqual(['draining', [], true]);
      const rest = Array.from({ length: 2 - late.context.ended }, () => ended);
      const plain = after({ first: 2 }, ...begin, grace, ...rest);
      expect([plain.value, plain.asked]).toEqual(['reducing', ['summarise']]);
      expect(plain.params('summarise')).toEqual([{ plain: true }]);
      expect(after({ first: 2 }, ...begin, grace, withdrawn(rest.length)).params('summarise')).toEqual([
        { plain: true },
      ]);
      for (const limit of [hurry, stop('timed_out')]) {
        expect(after({ first: 2 }, ...begin, grace, ...rest, limit).asked).toEqual([]);
      }
      expect(after({ first: 2 }, ...begin, grace, ...rest, made('partial')).value).toBe(end);
    },
  );

  it('of a stop that passes in the reduction asks for a plain summary', () => {
    const plain = after({}, ...stopped, ended, ended, grace);
    expect([plain.value, plain.params('summarise')]).toEqual(['reducing', [{ plain: true }]]);
  });

  it('is no matter while replicates are asked', () => {
    const early = after({}, grace);
    expect([early.value, early.asked, early.context.isLate]).toEqual(['collecting', [], false]);
  });
});

describe('the end', () => {
  it.each(['completed', 'partial', 'failed'] as const)('is %s where the evidence supports it', (status) => {
    const over = after({ first: 1 }, ended, decide('cap'), made(status));
    expect([over.value, over.params('finish')]).toEqual([status, [{ status }]]);
  });
});
