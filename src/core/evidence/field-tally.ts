import type { JsonValue } from '../json.js';
import { answerKey, setMembers } from './answer-key.js';
import { forEachLeaf } from './leaves.js';
import { Poll, standingOf, type Choice, type Standing } from './poll.js';

/**
 * Votes of all answers at one path. Not to have the path is a vote too, kept by what is missing from the
 * total.
 */
export type Field = {
  /** JSON Pointer, the empty string for a whole answer that is no object. */
  readonly path: string;
  /** Set where this is one member of the set-like list at the path: the votes are for holding it. */
  readonly memberKey?: string;
  readonly poll: Poll;
  /** How many voters from the first one on have the path without a gap. */
  unbroken: number;
};

export type FieldTallyOptions = {
  /** JSON Pointers of set-like lists. */
  sets?: ReadonlySet<string>;
  /** Equality beyond that of keys. */
  same?: (a: JsonValue, b: JsonValue) => boolean;
  /** Keep which voters chose what, in `Choice.voters`. */
  keepVoters?: boolean;
  /** Take every answer as one leaf at the root. */
  whole?: boolean;
};

/** More than this is not kept field by field: bounded memory for answers that are huge and all different. */
const MAX_FIELDS = 20_000;
const MAX_KEPT_VOTES = 500_000;

const SET_KEY = 'set';

/**
 * Votes field by field over the union of paths of nested JSON answers. Absent is a vote of its own, distinct
 * from null. Adding an answer takes time proportional to its leaves, however many fields others brought.
 */
export class FieldTally {
  readonly fields = new Map<string, Field>();
  readonly #options: FieldTallyOptions;
  readonly #sets: ReadonlySet<string>;
  readonly #firstIndexes: number[] = [];
  #votes = 0;
  #kept = 0;
  #overflowed = false;

  constructor(options: FieldTallyOptions = {}) {
    this.#options = options;
    this.#sets = options.sets ?? new Set();
  }

  get votes(): number {
    return this.#votes;
  }

  /** True once there was too much to keep: `fields` is empty from then on, and answers count as wholes. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /**
   * Counts one answer.
   *
   * @param index its replicate index, higher than every one before
   * @param weight how many votes it stands for
   * @param rootKey key to use for an answer that is not an object with members
   */
  add(answer: JsonValue, index: number, weight = 1, rootKey?: string): void {
    const voter = this.#firstIndexes.push(index) - 1;
    this.#votes += weight;
    if (this.#overflowed) return;
    const visit = (path: string, leaf: JsonValue): void => {
      if (!this.#sets.has(path) || !Array.isArray(leaf)) {
        const key = path === '' && rootKey !== undefined ? rootKey : answerKey(leaf);
        this.#vote(this.#field(path, { path }), key, leaf, voter, weight);
        return;
      }
      this.#vote(this.#field(path, { path }), SET_KEY, leaf, voter, weight);
      for (const [key, member] of setMembers(leaf)) {
        const field = this.#field(`member ${key} of ${path}`, { path, memberKey: key });
        this.#vote(field, key, member, voter, weight);
      }
    };
    if (this.#options.whole) visit('', answer);
    else forEachLeaf(answer, visit);
    if (this.fields.size > MAX_FIELDS || this.#kept > MAX_KEPT_VOTES) {
      this.#overflowed = true;
      this.fields.clear();
    }
  }

  absentVotes(field: Field): number {
    return this.#votes - field.poll.votes;
  }

  /** Replicate index of the first answer without the path; only where there is one. */
  absentFirstIndex(field: Field): number {
    return this.#firstIndexes[field.unbroken] as number;
  }

  standing(field: Field): Standing {
    return standingOf(field.poll, this.absentVotes(field));
  }

  #field(name: string, identity: { path: string; memberKey?: string }): Field {
    let field = this.fields.get(name);
    if (field === undefined) {
      field = { poll: new Poll(this.#options.same), unbroken: 0, ...identity };
      this.fields.set(name, field);
    }
    return field;
  }

  #vote(field: Field, key: string, value: JsonValue, voter: number, weight: number): void {
    const { poll } = field;
    const before = poll.choices.length;
    const choice: Choice = poll.enter(key, value, this.#firstIndexes[voter] as number);
    poll.count(choice, weight);
    if (field.unbroken === voter) field.unbroken++;
    this.#kept += poll.choices.length - before;
    if (this.#options.keepVoters) {
      (choice.voters ??= []).push(voter);
      this.#kept++;
    }
  }
}

/** Whether a field's choice is for the set-like list at its path, whatever is in it. */
export function isSetChoice(choice: Choice): boolean {
  return choice.key === SET_KEY;
}
