import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/json.js';
import { customStopping, type TallyView } from '../../../src/core/evidence/custom-stopping.js';
import { createStopping, type Stopping, type StoppingRule } from '../../../src/core/evidence/stopping.js';
import type { TallyOptions } from '../../../src/core/evidence/tally.js';
import { INVALID, drawOf, drawsOf, runBundle, tallyOf, type Given } from './bundles.js';

const RULES: StoppingRule[] = ['posterior', 'dirichlet', 'evalue', 'esc', 'fixed'];
const LEADER_RULES: StoppingRule[] = ['posterior', 'dirichlet', 'evalue'];
const EPSILONS = [0, 1e-9, 0.01, 0.05, 0.1, 0.2, 0.35, 0.49];

const answers = fc.oneof(
  fc.array(fc.constantFrom<Given>('a', 'b', 'c', INVALID), { minLength: 1, maxLength: 40 }),
  fc.array(fc.constantFrom<Given>('a', 'a', 'a', 'b', 'c', INVALID), { minLength: 1, maxLength: 40 }),
);
const records = fc.array(
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record(
        { x: fc.constantFrom(1, 1, 2), y: fc.constantFrom('p', 'q') },
        { requiredKeys: ['x'] },
      ),
    },
    { weight: 1, arbitrary: fc.constant<Given>(INVALID) },
    { weight: 1, arbitrary: fc.constant<Given>('no object') },
  ),
  { minLength: 1, maxLength: 30 },
) as fc.Arbitrary<Given[]>;

function* sequences<T>(symbols: readonly T[], length: number): Generator<T[]> {
  if (length === 0) return yield [];
  for (const rest of sequences(symbols, length - 1)) for (const symbol of symbols) yield [symbol, ...rest];
}

describe('batches', () => {
  const expectLossless = (
    given: readonly Given[],
    stopping: Stopping,
    epsilon: number,
    options: TallyOptions = {},
  ) => {
    const draws = drawsOf(given);
    const one = runBundle(draws, stopping, { epsilon, batched: false, ...options });
    const many = runBundle(draws, stopping, { epsilon, batched: true, ...options });
    expect([many.n, many.reason, many.answer]).toEqual([one.n, one.reason, one.answer]);
    expect(many.rounds).toBeLessThanOrEqual(one.rounds);
  };

  it.each(RULES)('issue what one at a time would, and give its answer: %s', (stopping) => {
    fc.assert(
      fc.property(answers, fc.constantFrom(...EPSILONS), (given, epsilon) => {
        expectLossless(given, createStopping({ stopping }), epsilon);
      }),
      { numRuns: 300 },
    );
  });

  it.each(LEADER_RULES)('do so field by field: %s', (stopping) => {
    fc.assert(
      fc.property(records, fc.constantFrom(...EPSILONS), (given, epsilon) => {
        expectLossless(given, createStopping({ stopping, stopOn: 'fields' }), epsilon, { fields: true });
      }),
      { numRuns: 200 },
    );
  });

  it('do so for numbers within a tolerance, and for sets', () => {
    const numbers = fc.array(fc.record({ x: fc.integer({ min: 0, max: 8 }) }), {
      minLength: 1,
      maxLength: 20,
    });
    const sets = fc.array(fc.subarray(['p', 'q', 'r']), { minLength: 1, maxLength: 20 });
    const stopping = createStopping({ stopOn: 'fields' });
    fc.assert(
      fc.property(
        fc.oneof(numbers, sets) as fc.Arbitrary<JsonValue[]>,
        fc.constantFrom(...EPSILONS),
        (given, epsilon) => {
          expectLossless(given, stopping, epsilon, { fields: true, tolerance: 1, sets: [''] });
          expectLossless(given, createStopping(), epsilon, { tolerance: 1, sets: [''] });
        },
      ),
    );
  });

  it('do so where draws are not independent', () => {
    const origins = fc.record({ seed: fc.constantFrom(1, 2, 3, null), cached: fc.boolean() });
    const drawn = fc.array(fc.tuple(fc.constantFrom('a', 'b'), origins), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(drawn, fc.constantFrom(...EPSILONS), (given, epsilon) => {
        const draws = given.map(([answer, origin], index) => drawOf(index, answer, origin));
        const run = (batched: boolean) => runBundle(draws, createStopping(), { epsilon, batched });
        expect([run(true).n, run(true).answer]).toEqual([run(false).n, run(false).answer]);
      }),
    );
  });

  it('are as large as they can be: with all of them for the leader the rule stops, and not before', () => {
    fc.assert(
      fc.property(
        answers,
        fc.constantFrom(...EPSILONS),
        fc.integer({ min: 1, max: 30 }),
        (given, epsilon, left) => {
          for (const stopping of LEADER_RULES.map((rule) => createStopping({ stopping: rule }))) {
            const k = given.length + left;
            const tally = tallyOf(given);
            const leader: Given = tally.leader?.value ?? 'a';
            const batch = stopping.nextBatch(tally, k, epsilon);
            expect(batch).toBeGreaterThanOrEqual(1);
            expect(batch).toBeLessThanOrEqual(left);
            for (let i = 1; i <= batch; i++) {
              tally.add(drawOf(given.length + i, leader));
              const reason = stopping.decide(tally, k, epsilon);
              if (i < batch) expect(reason).toBeNull();
              else expect(reason).not.toBeNull();
            }
          }
        },
      ),
    );
  });

  it('ask for two of three at epsilon 0.2, and for all ten thousand where nothing less will do', () => {
    expect(createStopping().nextBatch(tallyOf([]), 3, 0.2)).toBe(2);
    expect(createStopping().nextBatch(tallyOf(['a', 'b']), 3, 0.2)).toBe(1);
    expect(createStopping().nextBatch(tallyOf([]), 10_000, 0)).toBe(5_001);
    expect(createStopping({ stopping: 'fixed' }).nextBatch(tallyOf(['a']), 10_000, 0.2)).toBe(9_999);
    expect(createStopping({ stopping: 'esc' }).nextBatch(tallyOf(['a', 'a']), 40, 0.2)).toBe(3);
    expect(createStopping({ stopping: 'esc' }).nextBatch(tallyOf(['a', 'a']), 4, 0.2)).toBe(2);
    expect(createStopping().nextBatch(tallyOf(['a']), 1, 0.2)).toBe(0);
  });
});

describe('curtailment', () => {
  it('never changes the whole answer of all k: every sequence over three symbols, k up to 6', () => {
    for (let k = 1; k <= 6; k++) {
      for (const given of sequences<Given>(['a', 'b', 'c'], k)) {
        const run = runBundle(drawsOf(given), createStopping(), { epsilon: 0, batched: false });
        expect(run.answer, given.join()).toBe(tallyOf(given).leader?.value);
        expect(['curtailed', 'cap']).toContain(run.reason);
      }
    }
  });

  it('nor where replicates may be invalid: every sequence with one more symbol for that, k up to 5', () => {
    let saved = 0;
    for (let k = 1; k <= 5; k++) {
      for (const given of sequences<Given>(['a', 'b', 'c', INVALID], k)) {
        const run = runBundle(drawsOf(given), createStopping(), { epsilon: 0, batched: true });
        expect(run.answer).toBe(tallyOf(given).leader?.value);
        saved += k - run.n;
      }
    }
    expect(saved).toBeGreaterThan(0);
  });

  it('at epsilon 0.2 and k = 3 no early stop changes the majority of three', () => {
    for (const given of sequences<Given>(['a', 'b', 'c'], 3)) {
      const run = runBundle(drawsOf(given), createStopping(), { epsilon: 0.2, batched: true });
      expect(run.answer).toBe(tallyOf(given).leader?.value);
    }
  });

  it('stops as soon as the rest cannot catch up, not one sooner', () => {
    const decide = (given: Given[], k: number) => createStopping().decide(tallyOf(given), k, 0);
    expect(decide(['a', 'a', 'a'], 6)).toBeNull();
    expect(decide(['a', 'a', 'a'], 5)).toBe('curtailed');
    expect(decide(['a', 'a', 'b', 'a'], 6)).toBeNull();
    expect(decide(['a', 'a', INVALID, 'a'], 6)).toBe('curtailed');
  });
});

describe('epsilon', () => {
  it.each(LEADER_RULES)('smaller never stops earlier: %s', (stopping) => {
    fc.assert(
      fc.property(answers, (given) => {
        const lengths = EPSILONS.map(
          (epsilon) => runBundle(drawsOf(given), createStopping({ stopping }), { epsilon, batched: false }).n,
        );
        expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
      }),
    );
  });

  it('0 is curtailment alone, even where the posterior rounds to one', () => {
    const given = Array.from({ length: 2_000 }, () => 'a');
    for (const stopping of LEADER_RULES) {
      expect(createStopping({ stopping }).decide(tallyOf(given), 5_000, 0)).toBeNull();
      expect(createStopping({ stopping }).decide(tallyOf(given), 3_999, 0)).toBe('curtailed');
    }
  });

  it('keeps its meaning when tiny', () => {
    const passes = (votes: number) =>
      createStopping().decide(tallyOf(Array.from({ length: votes }, () => 'a')), 10_000, 1e-30) !== null;
    expect([passes(98), passes(99)]).toEqual([false, true]);
  });
});

describe('reasons', () => {
  const reason = (given: Given[], k: number, epsilon: number, stopping: StoppingRule = 'posterior') =>
    createStopping({ stopping }).decide(tallyOf(given), k, epsilon);

  it('names the half that fired, the posterior first, for epsilon promises something only then', () => {
    expect(reason(['a'], 3, 0.2)).toBeNull();
    expect(reason(['a', 'a'], 3, 0.2)).toBe('posterior');
    expect(reason(['a', 'b'], 3, 0.2)).toBeNull();
    expect(reason(['a', 'b', 'a'], 3, 0.2)).toBe('cap');
    expect(reason(['a', 'a'], 3, 0.05)).toBe('curtailed');
    expect(reason(['a', 'a', 'a', 'a'], 4, 0.05)).toBe('posterior');
  });

  it('needs two votes for the posterior: one of k = 1 ends at the cap', () => {
    expect(reason(['a'], 1, 0.3)).toBe('cap');
    expect(reason(['a'], 2, 0.3)).toBeNull();
    expect(reason(['a', INVALID], 5, 0.3)).toBeNull();
  });

  it('ends at the cap with no vote at all, or a tie', () => {
    expect(reason([INVALID, INVALID], 2, 0.2)).toBe('cap');
    expect(reason(['a', 'b'], 2, 0.49)).toBe('cap');
  });

  it('dirichlet asks more than the posterior where several answers compete', () => {
    const given = [...Array<Given>(7).fill('a'), ...Array<Given>(4).fill('b'), ...Array<Given>(4).fill('c')];
    expect(reason(given, 100, 0.2)).toBe('posterior');
    expect(reason(given, 100, 0.2, 'dirichlet')).toBeNull();
    expect(reason([...given, 'a', 'a'], 100, 0.2, 'dirichlet')).toBe('dirichlet');
  });

  it('evalue asks more than the posterior', () => {
    const unanimous = (votes: number) => reason(Array<Given>(votes).fill('a'), 100, 0.05, 'evalue');
    expect([unanimous(7), unanimous(8)]).toEqual([null, 'evalue']);
  });
});

describe('esc', () => {
  const esc = createStopping({ stopping: 'esc' });

  it('stops at a window of five that agree, and only at the end of a window', () => {
    const decide = (given: string) => esc.decide(tallyOf([...given]), 40, 0.2);
    expect(decide('aaaa')).toBeNull();
    expect(decide('aaaaa')).toBe('esc');
    expect(decide('baaaaa')).toBeNull();
    expect(decide('baaaaaaaaa')).toBe('esc');
  });

  it('does not count a window with an invalid replicate in it, and is never curtailed', () => {
    expect(esc.decide(tallyOf(['a', 'a', INVALID, 'a', 'a']), 40, 0.2)).toBeNull();
    expect(esc.decide(tallyOf(['a', 'a', 'a']), 4, 0.2)).toBeNull();
    expect(esc.decide(tallyOf(['a', 'a', 'a']), 3, 0.2)).toBe('cap');
  });

  it('ends with the answer of that window, even where another leads the whole count', () => {
    const given = [...'aaaab', ...'aaaab', ...'bbbbb'];
    expect(tallyOf(given).leader?.value).toBe('a');
    expect(runBundle(drawsOf(given), esc, { epsilon: 0.2, batched: true }).answer).toBe('b');
  });
});

describe('stopOn fields', () => {
  const fields = createStopping({ stopOn: 'fields' });
  const decide = (given: Given[], k: number, epsilon: number) =>
    fields.decide(tallyOf(given, { fields: true }), k, epsilon);

  it('waits for every field, whatever the whole answers say', () => {
    const split = [
      { x: 1, y: 1 },
      { x: 1, y: 2 },
      { x: 1, y: 1 },
      { x: 1, y: 2 },
    ];
    expect(decide(split, 10, 0.2)).toBeNull();
    expect(decide([...split, { x: 1, y: 1 }, { x: 1, y: 1 }, { x: 1, y: 1 }], 20, 0.2)).toBe('posterior');
  });

  it('stops where each field agrees though no two answers do', () => {
    const given = [
      { x: 1, y: 1, z: 2 },
      { x: 1, y: 2, z: 1 },
      { x: 2, y: 1, z: 1 },
    ];
    expect(createStopping().decide(tallyOf(given), 4, 0.4)).toBeNull();
    expect(decide(given, 4, 0.4)).toBe('posterior');
  });

  it('counts a missing field as a vote', () => {
    expect(decide([{ x: 1, y: 1 }, { x: 1 }, { x: 1, y: 1 }, { x: 1 }, { x: 1, y: 1 }], 10, 0.2)).toBeNull();
    expect(decide([{ x: 1 }, { x: 1, y: 1 }], 10, 0.2)).toBeNull();
    expect(decide([{ x: 1 }, { x: 1 }, { x: 1, y: 1 }, { x: 1 }], 10, 0.15)).toBeNull();
    expect(decide([{ x: 1 }, { x: 1 }, { x: 1, y: 1 }, { x: 1 }], 10, 0.2)).toBe('posterior');
  });

  it('judges curtailment field by field, and reports it where one field needed it', () => {
    const given = [
      { x: 1, y: 1 },
      { x: 1, y: 2 },
      { x: 1, y: 1 },
      { x: 1, y: 1 },
    ];
    expect(decide(given, 5, 0.05)).toBe('curtailed');
    expect(decide(given, 6, 0.05)).toBeNull();
  });

  it('asks each member of a set', () => {
    const asSet = (given: Given[]) => fields.decide(tallyOf(given, { fields: true, sets: [''] }), 10, 0.2);
    expect(
      asSet([
        ['p', 'q'],
        ['q', 'p'],
      ]),
    ).toBe('posterior');
    expect(asSet([['p', 'q'], ['p']])).toBeNull();
  });
});

describe('a rule of the tool', () => {
  const base = createStopping();

  it('takes the place of the bundle rule, one replicate at a time, up to the cap', () => {
    const views: TallyView[] = [];
    const stopping = customStopping((tally) => {
      views.push(tally);
      return tally.votes >= 3;
    }, base);
    const run = runBundle(drawsOf(['a', INVALID, 'b', 'a', 'a']), stopping, { epsilon: 0.2, batched: true });
    expect([run.n, run.reason, run.answer, run.rounds]).toEqual([4, 'custom', 'a', 4]);
    expect(views.at(-1)).toMatchObject({
      n: 4,
      k: 5,
      votes: 3,
      leader: 'a',
      leaderVotes: 2,
      runnerUpVotes: 1,
    });
    expect(views.at(-1)?.answers).toEqual([
      { value: 'a', votes: 2 },
      { value: 'b', votes: 1 },
    ]);
    const never = customStopping(() => false, base);
    expect(runBundle(drawsOf(['a', 'a', 'a']), never, { epsilon: 0.2, batched: true })).toMatchObject({
      n: 3,
      reason: 'cap',
    });
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('oops');
      },
    ],
    ['gives no boolean', () => 1],
    ['gives a promise that rejects', () => Promise.reject(new Error('late'))],
  ])('that %s leaves the decision to the bundle rule, with one warning', (_, shouldStop) => {
    const stopping = customStopping(shouldStop as () => boolean, base);
    const run = runBundle(drawsOf(['a', 'a', 'a', 'a']), stopping, { epsilon: 0.2, batched: true });
    expect([run.n, run.reason]).toEqual([2, 'posterior']);
    expect(run.tally.warnings.map((warning) => warning.code)).toEqual(['should_stop_failed']);
  });
});
