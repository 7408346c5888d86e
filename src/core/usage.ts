/** What calls have used. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  /** US dollars. */
  costUsd: number;
  /** Calls of tools: retries, fallbacks, losers and nested runs included. */
  calls: number;
  /** True when any part is a reservation rather than a reported figure. */
  estimated: boolean;
}

/** What a tool reports about one call. Every field is optional; one that is no amount (negative, NaN, over 2^53) is ignored. */
export interface ReportedUsage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Default: input plus output. */
  readonly totalTokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
}

/** Tokens and dollars: what budgets are counted in. */
export interface Amount {
  readonly tokens: number;
  readonly costUsd: number;
}

export const NOTHING: Amount = { tokens: 0, costUsd: 0 };

export const NO_USAGE: Readonly<Usage> = Object.freeze({
  inputTokens: 0,
  outputTokens: 0,
  totalTokens: 0,
  costUsd: 0,
  calls: 0,
  estimated: false,
});

/** Sums of dollars are rounded to 1e-12, so that three times 0.1 fits a budget of 0.3. */
export function roundUsd(costUsd: number): number {
  return Math.round(costUsd * 1e12) / 1e12;
}

export function addUsage(a: Readonly<Usage>, b: Readonly<Usage>): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    totalTokens: a.totalTokens + b.totalTokens,
    costUsd: roundUsd(a.costUsd + b.costUsd),
    calls: a.calls + b.calls,
    estimated: a.estimated || b.estimated,
  };
}

/** A tool's report, checked. */
export interface KnownUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  /** Undefined: the tool did not say what it cost. */
  readonly costUsd: number | undefined;
}

export interface ReadUsage {
  /** Undefined when nothing usable was reported. */
  readonly usage: KnownUsage | undefined;
  /** Names of the fields that were ignored because they were no amounts. */
  readonly ignored: readonly string[];
}

const FIELDS = ['inputTokens', 'outputTokens', 'totalTokens', 'costUsd'] as const;

/** Reads what a tool reported; whatever it is, it never throws. */
export function readUsage(reported: unknown): ReadUsage {
  if (typeof reported !== 'object' || reported === null) return { usage: undefined, ignored: [] };
  const ignored: string[] = [];
  const found: Partial<Record<(typeof FIELDS)[number], number>> = {};
  for (const field of FIELDS) {
    let value: unknown;
    try {
      value = (reported as Record<string, unknown>)[field];
    } catch {
      value = NaN;
    }
    if (value === undefined || value === null) continue;
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) found[field] = value;
    else ignored.push(field);
  }
  const noTokens =
    found.inputTokens === undefined && found.outputTokens === undefined && found.totalTokens === undefined;
  // A report whose token counts were all nonsense says nothing about tokens: better none than zero.
  if (Object.keys(found).length === 0 || (noTokens && ignored.length > 0))
    return { usage: undefined, ignored };
  const inputTokens = found.inputTokens ?? 0;
  const outputTokens = found.outputTokens ?? 0;
  const totalTokens = Math.max(found.totalTokens ?? 0, inputTokens + outputTokens);
  return { usage: { inputTokens, outputTokens, totalTokens, costUsd: found.costUsd }, ignored };
}
