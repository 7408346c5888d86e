import * as z from 'zod';
import { parseOptions } from '../../core/parse.js';

/**
 * How often things go wrong, 0 to 1 each. Rates of operations (from `cancel` to `restart`) that leave less than 0.4 for
 * runs are scaled down in proportion.
 */
export interface FaultRates {
  /** A call fails: 5xx, the network, nonsense, its own bug. Default 0.2. */
  readonly error: number;
  /** A call is told to come back later. Default 0.06. */
  readonly rateLimit: number;
  /** A call takes seconds, or a minute. Default 0.25. */
  readonly latency: number;
  /** A call never answers, and obeys its signal. Default 0.05. */
  readonly hang: number;
  /** A call goes on although its signal was aborted. Default 0.1. */
  readonly ignoreAbort: number;
  /** An answer is no JSON. Default 0.04. */
  readonly badOutput: number;
  /** A call that was aborted answers all the same, or says what it has cost. Default 0.3. */
  readonly late: number;
  /** A call uses more than was estimated. Default 0.1. */
  readonly overspend: number;
  /** An operation cancels an earlier run. Default 0.12. */
  readonly cancel: number;
  /** An operation makes the clock leap past many timers at once. Default 0.03. */
  readonly jump: number;
  /** An operation takes a provider down for a while: all its calls fail. Default 0.06. */
  readonly outage: number;
  /** An operation makes the store fail, or be slow, for a while. Default 0.04. */
  readonly store: number;
  /** An operation kills a process, or closes it, and starts another on the same store. Default 0.03. */
  readonly restart: number;
  /** A run's observer throws, rejects, or cancels the run. Default 0.1. */
  readonly observer: number;
}

const DEFAULT_RATES: FaultRates = {
  error: 0.2,
  rateLimit: 0.06,
  latency: 0.25,
  hang: 0.05,
  ignoreAbort: 0.1,
  badOutput: 0.04,
  late: 0.3,
  overspend: 0.1,
  cancel: 0.12,
  jump: 0.03,
  outage: 0.06,
  store: 0.04,
  restart: 0.03,
  observer: 0.1,
};

const rate = z.number().min(0).max(1).optional();

const ratesSchema = z.strictObject({
  error: rate,
  rateLimit: rate,
  latency: rate,
  hang: rate,
  ignoreAbort: rate,
  badOutput: rate,
  late: rate,
  overspend: rate,
  cancel: rate,
  jump: rate,
  outage: rate,
  store: rate,
  restart: rate,
  observer: rate,
});

/** @throws {InvalidOptionsError} naming the rate, the rule and the value. */
export function parseFaults(faults: unknown): FaultRates {
  const given = parseOptions(ratesSchema, faults ?? {}, 'faults');
  return { ...DEFAULT_RATES, ...(JSON.parse(JSON.stringify(given)) as Partial<FaultRates>) };
}
