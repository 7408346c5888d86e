import type { JsonValue } from '../json.js';
import { answerKey } from './answer-key.js';
import { containEquivalent, type Equivalent } from './equivalence.js';
import { FieldTally } from './field-tally.js';
import { Independence } from './independence.js';
import { MAX_COMPARED, Poll, standingOf, type Choice, type Standing } from './poll.js';
import type { Replicate } from './replicate.js';
import { toEnd } from './to-end.js';
import { equalWithin, type Tolerance } from './tolerance.js';
import { WarningLog, type EvidenceWarning } from './warning.js';

/** What the tally needs of a replicate that has settled. */
export type Draw = Pick<Replicate, 'id' | 'index' | 'status' | 'data'> &
  Partial<Pick<Replicate, 'seed' | 'temperature' | 'cached'>>;

export type TallyOptions = {
  /**
   * When two answers mean the same; the default is equality of their normal forms. Contained when it throws.
   */
  equivalent?: Equivalent;
  /** How far apart numbers may be and still be the same answer. */
  tolerance?: Tolerance;
  /**
   * JSON Pointers of lists that are sets: their order and duplicates do not matter, and members are voted on
   * one by one.
   */
  sets?: readonly string[];
  /** Count field by field too, as `stopOn: 'fields'` needs. The default is false. */
  fields?: boolean;
};

/** All replicates that gave one and the same answer, up to its normal form. */
export type DistinctAnswer = {
  readonly value: JsonValue;
  readonly key: string;
  readonly choice: Choice;
  readonly firstIndex: number;
  /** The replicates whose vote counts, in index order: as many as there are votes. */
  voters: Draw[];
  /** True while its one vote is a cached copy, which the first fresh draw replaces. */
  onlyCached: boolean;
};

/**
 * The votes of a bundle, counted as replicates settle, in index order. Only valid replicates vote, and only
 * independent draws: those that share a seed or ran at temperature 0 have one vote between them, and a copy
 * out of a cache adds none to an answer that has a fresh one. Adding an answer takes time proportional to its
 * size, plus at most 64 comparisons where `equivalent` or `tolerance` is given.
 */
export class Tally {
  readonly answers: DistinctAnswer[] = [];
  /** All replicates added, in index order. */
  readonly draws: Draw[] = [];
  readonly poll: Poll;
  /** Votes field by field, where `fields` asked for them. */
  readonly fieldTally: FieldTally | null;
  readonly tolerance: Tolerance | undefined;
  readonly sets: ReadonlySet<string>;
  /** Whether the tool brought an `equivalent`. */
  readonly hasEquivalent: boolean;
  readonly warningLog = new WarningLog();
  readonly #byKey = new Map<string, DistinctAnswer>();
  readonly #cast: (DistinctAnswer | null)[] = [];
  readonly #independence = new Independence();
  #valid = 0;

  constructor({ equivalent, tolerance, sets = [], fields = false }: TallyOptions = {}) {
    const close =
      tolerance === undefined
        ? undefined
        : (a: JsonValue, b: JsonValue): boolean => equalWithin(a, b, tolerance, this.sets);
    this.tolerance = tolerance;
    this.sets = new Set(sets);
    this.hasEquivalent = equivalent !== undefined;
    this.poll = new Poll(
      equivalent === undefined
        ? close
        : containEquivalent(equivalent, close ?? (() => false), this.warningLog),
    );
    this.fieldTally = fields ? new FieldTally({ sets: this.sets, ...(close && { same: close }) }) : null;
  }

  /** Replicates settled, invalid ones included. */
  get n(): number {
    return this.draws.length;
  }

  /** Valid replicates, those without a vote of their own included. */
  get valid(): number {
    return this.#valid;
  }

  /** Independent valid answers. */
  get votes(): number {
    return this.poll.votes;
  }

  /**
   * The whole answer with most votes; on a tie the one whose replicate index is lowest; null before the first
   * vote.
   */
  get leader(): Choice | null {
    return this.poll.leader;
  }

  get leaderVotes(): number {
    return this.poll.leader?.votes ?? 0;
  }

  get runnerUpVotes(): number {
    return this.poll.runnerUpVotes;
  }

  get warnings(): EvidenceWarning[] {
    const warnings = [...this.#independence.warnings(), ...this.warningLog.list()];
    if (this.poll.uncompared > 0) {
      const message = `${this.poll.uncompared} distinct answers were compared only with the first ${MAX_COMPARED}.`;
      warnings.push({ code: 'comparisons_limited', message });
    }
    return warnings;
  }

  /** Counts of whole answers, for a stopping rule. */
  standing(): Standing {
    return standingOf(this.poll);
  }

  /** Takes the next replicate. Indexes must rise: RangeError otherwise, for a tie would be broken wrongly. */
  add(draw: Draw): void {
    toEnd(this.addSlices(draw));
  }

  /** The same in slices, for a caller that must not block: it yields after each call of `equivalent`. */
  *addSlices(draw: Draw): Generator<void, void> {
    const last = this.draws.at(-1);
    if (last !== undefined && draw.index <= last.index) {
      throw new RangeError(
        `Replicate index ${draw.index} came after ${last.index}; add them in rising order.`,
      );
    }
    this.draws.push(draw);
    if (draw.status === 'valid') this.#valid++;
    this.#cast.push(draw.status === 'valid' ? yield* this.#vote(draw) : null);
  }

  /** The answer with this normal form, or one within tolerance of it. */
  has(value: JsonValue): boolean {
    const { tolerance } = this;
    if (this.#byKey.has(answerKey(value, this.sets))) return true;
    return (
      tolerance !== undefined &&
      this.answers.some((answer) => equalWithin(answer.value, value, tolerance, this.sets))
    );
  }

  /** The answer of the last `size` replicates, where all of them voted for the same one; else null. */
  unanimousTail(size: number): Choice | null {
    const tail = this.#cast.slice(-size);
    const choice = tail[0]?.choice;
    if (choice === undefined || tail.length < size) return null;
    return tail.every((answer) => answer?.choice === choice) ? choice : null;
  }

  /** The answer the replicate at this position voted for; null where it has no vote. */
  voteAt(position: number): DistinctAnswer | null {
    return this.#cast[position] ?? null;
  }

  /** Counts the vote of a valid draw; null where it has none. */
  *#vote(draw: Draw): Generator<void, DistinctAnswer | null> {
    if (!this.#independence.admit(draw)) return null;
    const key = answerKey(draw.data, this.sets);
    const cached = draw.cached === true;
    let answer = this.#byKey.get(key);
    if (answer === undefined) {
      const choice = yield* this.poll.enterSlices(key, draw.data, draw.index);
      answer = { value: draw.data, key, choice, firstIndex: draw.index, voters: [], onlyCached: cached };
      this.#byKey.set(key, answer);
      this.answers.push(answer);
    } else if (cached) {
      return null;
    } else if (answer.onlyCached) {
      answer.onlyCached = false;
      answer.voters = [draw];
      return answer;
    }
    answer.voters.push(draw);
    this.poll.count(answer.choice);
    this.fieldTally?.add(draw.data, draw.index);
    return answer;
  }
}
