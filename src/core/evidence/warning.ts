/** Something that makes the numbers of a bundle weaker than they look, and what to do about it. */
export type EvidenceWarning = {
  code:
    | 'shared_seed'
    | 'temperature_zero'
    | 'cache_hit'
    | 'equivalent_failed'
    | 'equivalent_asymmetric'
    | 'should_stop_failed'
    | 'embed_failed'
    | 'calibrate_failed'
    | 'reduction_hurried'
    | 'comparisons_limited'
    | 'fields_limited';
  message: string;
  replicateIds?: string[];
};

/**
 * Takes each warning the first time its code comes up, so that a callback failing a thousand times is told of
 * once.
 */
export class WarningLog {
  readonly #byCode = new Map<string, EvidenceWarning>();

  add(warning: EvidenceWarning): void {
    if (!this.#byCode.has(warning.code)) this.#byCode.set(warning.code, warning);
  }

  list(): EvidenceWarning[] {
    return [...this.#byCode.values()];
  }
}

/** One line about a thrown value of any kind; reading it never throws. */
export function describeThrown(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}
