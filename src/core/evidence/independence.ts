import type { EvidenceWarning } from './warning.js';

type Origin = { id: string; seed?: number | null; temperature?: number; cached?: boolean };

/** A warning names at most this many replicates. */
const MAX_NAMED = 256;

/**
 * Tells draws that are independent from those that only repeat one. Every formula of a bundle assumes
 * independent draws, so replicates that share a seed, and all that ran at temperature 0, have one vote
 * between them: that of the first valid one.
 */
export class Independence {
  readonly #bySeed = new Map<number, string[]>();
  readonly #greedy: string[] = [];
  readonly #cached: string[] = [];

  /** Registers a valid draw; false where an earlier one already stands for it. */
  admit({ id, seed, temperature, cached }: Origin): boolean {
    let repeats = false;
    if (temperature === 0) {
      repeats = this.#greedy.length > 0;
      this.#greedy.push(id);
    }
    if (seed !== undefined && seed !== null) {
      const group = this.#bySeed.get(seed);
      if (group === undefined) this.#bySeed.set(seed, [id]);
      else {
        repeats = true;
        group.push(id);
      }
    }
    if (cached === true) this.#cached.push(id);
    return !repeats;
  }

  warnings(): EvidenceWarning[] {
    const found: EvidenceWarning[] = [];
    const warn = (code: EvidenceWarning['code'], message: string, ids: readonly string[]): void => {
      found.push({ code, message, replicateIds: ids.slice(0, MAX_NAMED) });
    };
    const shared = [...this.#bySeed].filter(([, ids]) => ids.length > 1);
    if (shared.length > 0) {
      const ids = shared.flatMap(([, group]) => group);
      const seeds = shared.length === 1 ? `seed ${shared[0]?.[0]}` : `${shared.length} seeds`;
      const message = `${ids.length} replicates share ${seeds}; a seed has one vote: give every replicate its own.`;
      warn('shared_seed', message, ids);
    }
    if (this.#greedy.length > 0) {
      const message = `Replicates that ran at temperature 0 (${this.#greedy.length}) have one vote between them: raise it.`;
      warn('temperature_zero', message, this.#greedy);
    }
    if (this.#cached.length > 0) {
      const message = `Replicates out of a cache (${this.#cached.length}) add no vote to an answer that has one: bypass it.`;
      warn('cache_hit', message, this.#cached);
    }
    return found;
  }
}
