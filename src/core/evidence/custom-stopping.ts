import type { JsonValue } from '../json.js';
import { readOnly } from './read-only.js';
import type { Stopping } from './stopping.js';
import type { Tally } from './tally.js';
import { describeThrown } from './warning.js';

/** What a tool's `shouldStop` sees: the votes so far. Read only. */
export type TallyView = {
  /** Replicates settled, invalid ones included. */
  readonly n: number;
  /** The cap. */
  readonly k: number;
  readonly votes: number;
  readonly leader: JsonValue;
  readonly leaderVotes: number;
  readonly runnerUpVotes: number;
  /** Every answer with its votes, in order of first appearance. Made anew at each reading. */
  readonly answers: { value: JsonValue; votes: number }[];
};

/** A tool's own stopping rule. */
export type ShouldStop = (tally: TallyView) => boolean;

/**
 * Puts a tool's `shouldStop` in the place of `fallback`, curtailment included; k stays the cap. As nobody can
 * foresee what it will say, replicates are asked one at a time: the only batch that is lossless for every
 * rule. Where it throws, or returns anything but a boolean, `fallback` makes that decision, and a warning
 * says so once.
 */
export function customStopping(shouldStop: ShouldStop, fallback: Stopping): Stopping {
  return {
    decide(tally, k, epsilon) {
      try {
        const verdict: unknown = shouldStop(viewOf(tally, k));
        if (verdict === true) return 'custom';
        if (verdict === false) return tally.n >= k ? 'cap' : null;
        if (verdict instanceof Promise) verdict.catch(() => undefined);
        throw new TypeError(`expected a boolean, got ${verdict === null ? 'null' : typeof verdict}`);
      } catch (thrown) {
        const message = `shouldStop(tally) failed (${describeThrown(thrown)}); the rule of the bundle was used instead.`;
        tally.warningLog.add({ code: 'should_stop_failed', message });
        return fallback.decide(tally, k, epsilon);
      }
    },
    nextBatch: (tally, k) => Math.min(1, k - tally.n),
    answer: (tally) => fallback.answer(tally),
  };
}

function viewOf(tally: Tally, k: number): TallyView {
  return {
    n: tally.n,
    k,
    votes: tally.votes,
    leader: readOnly(tally.leader?.value ?? null),
    leaderVotes: tally.leaderVotes,
    runnerUpVotes: tally.runnerUpVotes,
    get answers() {
      return tally.poll.choices.map(({ value, votes }) => ({ value: readOnly(value), votes }));
    },
  };
}
