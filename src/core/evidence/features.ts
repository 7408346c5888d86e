import type { JsonValue } from '../json.js';
import { answerKey, normalizeText, setMembers } from './answer-key.js';
import { forEachLeaf } from './leaves.js';

/**
 * Takes answers apart for their Jaccard distance: a text into its words, folded to lower case, anything else
 * into its (path, value) leaves. Each distinct feature has a number, so that sets of them compare fast.
 * Answers are remembered.
 */
export class FeatureIndex {
  readonly #sets: ReadonlySet<string>;
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<JsonValue, Uint32Array>();

  /** @param sets JSON Pointers of set-like lists, whose members have no place */
  constructor(sets: ReadonlySet<string> = new Set()) {
    this.#sets = sets;
  }

  /** The numbers of an answer's features, rising. */
  of(answer: JsonValue): Uint32Array {
    let numbers = this.#known.get(answer);
    if (numbers === undefined) {
      const found = new Set<number>();
      const add = (feature: string): void => void found.add(this.#numberOf(feature));
      if (typeof answer === 'string') for (const word of wordsOf(answer)) add(`word ${word}`);
      else this.#addLeaves(answer, add);
      numbers = Uint32Array.from(found).sort();
      this.#known.set(answer, numbers);
    }
    return numbers;
  }

  #addLeaves(answer: JsonValue, add: (feature: string) => void): void {
    const visit = (path: string, leaf: JsonValue): void => {
      if (this.#sets.has(path) && Array.isArray(leaf) && leaf.length > 0) {
        for (const key of setMembers(leaf).keys()) add(`member ${path} ${key}`);
      } else add(`leaf ${path} ${answerKey(leaf)}`);
    };
    forEachLeaf(answer, visit, (path) => !this.#sets.has(path));
  }

  #numberOf(feature: string): number {
    let number = this.#numbers.get(feature);
    if (number === undefined) this.#numbers.set(feature, (number = this.#numbers.size));
    return number;
  }
}

/** The words of a text; the text itself where it has none. */
function wordsOf(text: string): string[] {
  const normal = normalizeText(text).toLowerCase();
  return normal.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [normal];
}
