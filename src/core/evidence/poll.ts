import type { JsonValue } from '../json.js';
import type { VoteGroup } from './dirichlet.js';
import { toEnd } from './to-end.js';

/** One of the answers to a question, with the votes for it. */
export type Choice = {
  readonly key: string;
  /** As first given. */
  readonly value: JsonValue;
  /** Index of the replicate that gave it first. */
  readonly firstIndex: number;
  votes: number;
  /** Positions of its voters, where whoever counts keeps them. */
  voters?: number[];
};

/** What a stopping rule looks at: the counts of one question, highest first. */
export type Standing = {
  /** Votes in all. */
  readonly votes: number;
  /** Votes of the leader. */
  readonly first: number;
  /** Votes of the runner-up, 0 where there is none. */
  readonly second: number;
  /** Everyone but the leader, grouped by votes. Takes a pass over the distinct answers. */
  others(): VoteGroup[];
};

/** At most this many choices are compared with a new answer. */
export const MAX_COMPARED = 64;

/**
 * Votes on one question, counted as they come. A new key joins the first of the earliest 64 choices it is
 * `same` as, else it is a choice of its own: a draw never moves more than one choice by one vote, which is
 * what makes curtailment and batching lossless. Constant time a vote.
 */
export class Poll {
  readonly choices: Choice[] = [];
  readonly #byKey = new Map<string, Choice>();
  readonly #same: ((a: JsonValue, b: JsonValue) => boolean) | undefined;
  #leader: Choice | null = null;
  #runnerUp: Choice | null = null;
  #votes = 0;
  #uncompared = 0;

  constructor(same?: (a: JsonValue, b: JsonValue) => boolean) {
    this.#same = same;
  }

  get votes(): number {
    return this.#votes;
  }

  /** Highest count; on a tie the one whose replicate index is lowest. */
  get leader(): Choice | null {
    return this.#leader;
  }

  get runnerUpVotes(): number {
    return this.#runnerUp?.votes ?? 0;
  }

  /** Distinct answers that came after the 64 choices were taken, and were compared with those alone. */
  get uncompared(): number {
    return this.#uncompared;
  }

  /** The choice a value belongs to, made if need be, without a vote for it yet. */
  enter(key: string, value: JsonValue, index: number): Choice {
    return toEnd(this.enterSlices(key, value, index));
  }

  /** The same in slices: it yields after each comparison, for these may be a user's and slow. */
  *enterSlices(key: string, value: JsonValue, index: number): Generator<void, Choice> {
    let choice = this.#byKey.get(key);
    if (choice !== undefined) return choice;
    choice = yield* this.#match(value);
    if (choice === undefined) {
      choice = { key, value, firstIndex: index, votes: 0 };
      this.choices.push(choice);
    }
    this.#byKey.set(key, choice);
    return choice;
  }

  count(choice: Choice, votes = 1): void {
    choice.votes += votes;
    this.#votes += votes;
    const leader = this.#leader;
    if (choice === leader) return;
    if (leader === null || outranks(choice, leader)) {
      this.#leader = choice;
      this.#runnerUp = leader;
    } else if (this.#runnerUp === null || choice.votes > this.#runnerUp.votes) {
      this.#runnerUp = choice;
    }
  }

  *#match(value: JsonValue): Generator<void, Choice | undefined> {
    if (this.#same === undefined) return undefined;
    if (this.choices.length > MAX_COMPARED) this.#uncompared++;
    const compared = Math.min(this.choices.length, MAX_COMPARED);
    for (let i = 0; i < compared; i++) {
      const choice = this.choices[i] as Choice;
      if (this.#same(choice.value, value)) return choice;
      yield;
    }
    return undefined;
  }
}

function outranks(a: Choice, b: Choice): boolean {
  return a.votes > b.votes || (a.votes === b.votes && a.firstIndex < b.firstIndex);
}

/** The counts of a poll, with `absent` further votes for giving no answer. */
export function standingOf(poll: Poll, absent = 0): Standing {
  const top = poll.leader?.votes ?? 0;
  const absentLeads = absent > top;
  return {
    votes: poll.votes + absent,
    first: absentLeads ? absent : top,
    second: absentLeads ? top : Math.max(poll.runnerUpVotes, absent),
    others() {
      const groups = new Map<number, number>();
      const add = (votes: number): void => void groups.set(votes, (groups.get(votes) ?? 0) + 1);
      for (const choice of poll.choices) {
        if (choice.votes > 0 && (absentLeads || choice !== poll.leader)) add(choice.votes);
      }
      if (absent > 0 && !absentLeads) add(absent);
      return [...groups];
    },
  };
}
