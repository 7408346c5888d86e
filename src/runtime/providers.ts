import { breakerConfig, mergeBreaker, RETRY_BUDGET_DEFAULTS, retryConfig } from '../core/reliability.js';
import type {
  BreakerConfig,
  PoolOptions,
  ReliabilityOptions,
  RetryConfig,
  RetryOptions,
} from '../core/reliability.js';
import type { BreakerState } from '../core/events.js';
import { RetryBudget, type RetryBudgetOptions } from '../core/retry-budget.js';
import { Breaker, type BreakerPorts } from './breaker.js';
import type { BreakerSnapshot } from './breaker-snapshot.js';
import { Pool } from './pools.js';
import type { ProviderStatus } from './watch.js';

/** What all calls to one provider share, whichever orchestrator makes them. */
export interface Provider {
  readonly key: string;
  readonly breaker: Breaker;
  /** Undefined: no limit. */
  readonly pool: Pool | undefined;
  /** Undefined: switched off. */
  readonly retryBudget: RetryBudget | undefined;
  /** Until when the provider asked every caller to stay away; 0: it did not. */
  cooldownUntil: number;
}

/** What the calls to a provider share, as configured. */
export interface ProviderConfig {
  readonly breaker: BreakerConfig;
  /** Undefined: switched off. */
  readonly retryBudget: RetryBudgetOptions | undefined;
  /** Undefined: no limit. */
  readonly pool: PoolOptions | undefined;
}

/** So many providers are kept before idle ones are looked for. */
const SWEEP_AT = 1024;

/** The providers of a Troupe, made when first asked for. */
export class Providers {
  private readonly known = new Map<string, Provider>();
  private sweepAt = SWEEP_AT;
  /** By the lists of layers of orchestrators and runs, then by provider. */
  private retryConfigs = new WeakMap<readonly RetryOptions[], Map<string, RetryConfig>>();

  constructor(
    public reliability: ReliabilityOptions,
    readonly pools: Readonly<Record<string, PoolOptions>>,
    protected readonly ports: BreakerPorts,
    /** What was kept of a breaker by an earlier process. */
    private readonly saved: (key: string) => BreakerSnapshot | undefined,
  ) {}

  get size(): number {
    return this.known.size;
  }

  /** Those that were asked for. */
  get breakers(): readonly Breaker[] {
    return [...this.known.values()].map(({ breaker }) => breaker);
  }

  /** The breaker of a provider that was asked for. */
  breakerOf(key: string): Breaker | undefined {
    return this.known.get(key)?.breaker;
  }

  get(key: string): Provider {
    const known = this.known.get(key);
    if (known) return known;
    if (this.known.size >= this.sweepAt) this.sweep();
    const provider = this.make(key, this.configOf(key));
    this.known.set(key, provider);
    const saved = this.saved(key);
    if (saved) provider.breaker.restore(saved);
    return provider;
  }

  protected make(key: string, { breaker, retryBudget, pool }: ProviderConfig): Provider {
    return {
      key,
      breaker: new Breaker(key, breaker, this.ports),
      pool: pool && new Pool(pool, this.ports.timers, this.ports.now),
      retryBudget: retryBudget && new RetryBudget(retryBudget),
      cooldownUntil: 0,
    };
  }

  /** Tools with made-up names bring a provider each: those that remember nothing are dropped. */
  private sweep(): void {
    const now = this.ports.now();
    for (const [key, provider] of this.known) {
      const { breaker, pool, retryBudget, cooldownUntil } = provider;
      const isIdle = breaker.isIdle && !pool && cooldownUntil <= now && (retryBudget?.isFull ?? true);
      if (!isIdle) continue;
      breaker.dispose();
      this.known.delete(key);
    }
    this.retryConfigs = new WeakMap();
    this.sweepAt = Math.max(SWEEP_AT, 2 * this.known.size);
  }

  /** The retry part for a provider: the Troupe's, the provider's, then what the orchestrator and the run set. */
  retryConfig(key: string, layers: readonly RetryOptions[]): RetryConfig {
    let byKey = this.retryConfigs.get(layers);
    if (!byKey) this.retryConfigs.set(layers, (byKey = new Map()));
    let config = byKey.get(key);
    if (!config) byKey.set(key, (config = retryConfig(this.reliability, this.ownOptions(key), ...layers)));
    return config;
  }

  /** Replaces the options, which is possible only while no provider was made from them. */
  adopt(reliability: ReliabilityOptions): void {
    this.reliability = reliability;
    this.retryConfigs = new WeakMap();
  }

  /** As planners see them: one that is due for a probe shows as half-open, one that has none left as open. */
  breakerStates(keys: Iterable<string>): Record<string, BreakerState> {
    const states: Record<string, BreakerState> = {};
    for (const key of keys) {
      const { breaker } = this.get(key);
      const refuses = breaker.wouldRefuse() !== null;
      states[key] = breaker.state === 'half-open' && refuses ? 'open' : breaker.state;
    }
    return states;
  }

  /** A cooldown is only ever extended. */
  coolDown(provider: Provider, until: number): boolean {
    if (until <= provider.cooldownUntil) return false;
    provider.cooldownUntil = until;
    return true;
  }

  /** For those who inspect. */
  statuses(): ProviderStatus[] {
    return [...this.known.values()].map(({ key, breaker, pool, retryBudget, cooldownUntil }) => ({
      provider: key,
      ...breaker.status,
      pool: pool ? { size: pool.size, active: pool.active, waiting: pool.waiting } : null,
      retryTokens: retryBudget?.tokens ?? null,
      cooldownUntil,
    }));
  }

  dispose(): void {
    for (const { breaker } of this.known.values()) breaker.dispose();
  }

  /** What the calls to a provider share, as configured. */
  configOf(key: string): ProviderConfig {
    const { breaker, retryBudget } = this.sharedOptions(key);
    return {
      breaker: breakerConfig(breaker),
      retryBudget: retryBudget === false ? undefined : { ...RETRY_BUDGET_DEFAULTS, ...retryBudget },
      pool: Object.hasOwn(this.pools, key) ? this.pools[key] : undefined,
    };
  }

  private ownOptions(key: string) {
    const { providers } = this.reliability;
    return providers && Object.hasOwn(providers, key) ? providers[key] : undefined;
  }

  private sharedOptions(key: string) {
    const own = this.ownOptions(key);
    return {
      breaker: mergeBreaker(this.reliability.breaker, own?.breaker),
      retryBudget: own?.retryBudget ?? this.reliability.retryBudget,
    };
  }
}
