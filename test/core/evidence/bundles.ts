import type { JsonValue } from '../../../src/core/json.js';
import type { Stopping, StopReason } from '../../../src/core/evidence/stopping.js';
import { Tally, type Draw, type TallyOptions } from '../../../src/core/evidence/tally.js';
import type { Standing } from '../../../src/core/evidence/poll.js';

/** Marks a replicate that gave no valid answer. */
export const INVALID = Symbol('invalid');

export type Given = JsonValue | typeof INVALID;

export function drawOf(index: number, answer: Given, origin: Partial<Draw> = {}): Draw {
  const base = { id: `r${index + 1}`, index };
  if (answer === INVALID) return { ...base, status: 'invalid', data: null, ...origin };
  return { ...base, status: 'valid', data: answer, ...origin };
}

export function drawsOf(answers: readonly Given[]): Draw[] {
  return answers.map((answer, index) => drawOf(index, answer));
}

export function tallyOf(answers: readonly Given[], options: TallyOptions = {}): Tally {
  const tally = new Tally(options);
  for (const draw of drawsOf(answers)) tally.add(draw);
  return tally;
}

export type Outcome = {
  n: number;
  reason: StopReason;
  answer: JsonValue | undefined;
  rounds: number;
  tally: Tally;
};

/** A bundle run to its end on recorded answers, one replicate at a time or in batches. */
export function runBundle(
  draws: readonly Draw[],
  stopping: Stopping,
  {
    k = draws.length,
    epsilon,
    batched,
    ...options
  }: { k?: number; epsilon: number; batched: boolean } & TallyOptions,
): Outcome {
  const tally = new Tally(options);
  for (let rounds = 1; ; rounds++) {
    const batch = batched ? stopping.nextBatch(tally, k, epsilon) : 1;
    if (!Number.isInteger(batch) || batch < 1 || tally.n + batch > k) throw new Error(`a batch of ${batch}`);
    for (let i = 0; i < batch; i++) tally.add(draws[tally.n] as Draw);
    const reason = stopping.decide(tally, k, epsilon);
    if (reason !== null) {
      return { n: tally.n, reason, answer: stopping.answer(tally)?.value, rounds, tally };
    }
  }
}

export function standing(first: number, second: number, ...rest: number[]): Standing {
  return {
    votes: first + second + rest.reduce((sum, votes) => sum + votes, 0),
    first,
    second,
    others: () => [second, ...rest].filter((votes) => votes > 0).map((votes) => [votes, 1]),
  };
}
