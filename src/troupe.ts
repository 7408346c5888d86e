import { InvalidOptionsError, ToolRegistrationError, TroupeClosedError } from './core/errors.js';
import type { BreakerState, TroupeEvent, TroupeEventBody } from './core/events.js';
import { parsePools, parseReliability, type ReliabilityOptions } from './core/reliability.js';
import { providerOf, type AnyTool } from './core/tool.js';
import { parseSnapshot, type BreakerSnapshot } from './runtime/breaker-snapshot.js';
import { systemClock } from './runtime/clock.js';
import { consoleLogger, containLogger, unitInterval } from './runtime/containment.js';
import { breakerChannel } from './runtime/diagnostics.js';
import { Host } from './runtime/host.js';
import { idMaker } from './runtime/ids.js';
import { memoryStore } from './runtime/memory-store.js';
import { Providers } from './runtime/providers.js';
import { Timers } from './runtime/timers.js';
import { TroupeEvents } from './runtime/troupe-events.js';
import { Watch, type Inspector, type ProviderStatus } from './runtime/watch.js';
import { environmentInspector } from './environment-inspector.js';
import { checkOptions, checkTool, sharedPart, type TroupeOptions } from './troupe-options.js';

/** A tool as `listTools` describes it. */
export interface ToolDescription {
  readonly version: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly provider: string;
  readonly idempotent: boolean;
  readonly hasInput: boolean;
  readonly hasOutput: boolean;
}

/** A provider's breaker, for looking and for operating it by hand. */
export interface BreakerControl {
  readonly state: BreakerState;
  /** Plain JSON; {@link BreakerControl.restore} takes it. */
  snapshot(): BreakerSnapshot;
  restore(snapshot: BreakerSnapshot): void;
  /** Refuses every call until the handle, and every other, is released. */
  isolate(): { release(): void };
  /** Closes it, forgets its counts, cancels its timers and ends a cooldown. An isolation stays. */
  reset(): void;
}

/** Those given, and the viewer that `npx troupe inspect` names in the environment. */
function inspectorsOf(given: TroupeOptions['inspect']): Inspector[] {
  const inspectors = given === undefined ? [] : Array.isArray(given) ? given : [given];
  const ofEnvironment = environmentInspector();
  return ofEnvironment ? [...inspectors, ofEnvironment] : inspectors;
}

const hosts = new WeakMap<Troupe<any>, Host>();

/** The wiring of a Troupe, for the orchestrators of this package. */
export function hostOf(troupe: Troupe<any>): Host {
  return hosts.get(troupe)!;
}

/**
 * What orchestrators share: the tools, and for each provider its breaker, retry budget and pool.
 *
 * @throws {InvalidOptionsError} and {ToolRegistrationError}
 */
export class Troupe<const Tools extends readonly AnyTool[] = readonly AnyTool[]> implements AsyncDisposable {
  /** Only for the compiler: the tools known by type. */
  declare readonly __tools: Tools;
  private readonly registry = new Map<string, AnyTool>();
  private readonly backgroundTimers: Timers;
  private readonly troupeEvents: TroupeEvents;
  /** The shared part in force, as JSON text; undefined while nobody has set one. */
  private shared: string | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: TroupeOptions<Tools> = {}) {
    checkOptions(options);
    const { clock = systemClock, random } = options;
    const logger = options.logger ? containLogger(options.logger) : consoleLogger;
    const reliability = parseReliability(options.reliability);
    const pools = parsePools(options.pools);
    const timers = new Timers(clock, true);
    this.backgroundTimers = new Timers(clock, false);
    if (options.reliability) this.shared = sharedPart(reliability);
    const inspectors = inspectorsOf(options.inspect);
    const inspected = { now: () => clock.now(), providers: () => host.providers.statuses() };
    const watch = inspectors.length === 0 ? undefined : new Watch(inspectors, inspected, logger);
    const noted = watch?.hears ? (body: TroupeEventBody) => watch.tell({ type: 'event', body }) : undefined;
    this.troupeEvents = new TroupeEvents(() => clock.now(), noted);
    const host: Host = new Host({
      clock,
      random: random ? () => unitInterval(random()) : Math.random,
      newId: idMaker(random),
      store: options.store ?? memoryStore(),
      onStoreError: options.onStoreError ?? 'fail',
      storeTimeoutMs: options.storeTimeoutMs ?? 5000,
      leaseMs: options.leaseMs ?? 60_000,
      logger,
      watch,
      tracing: options.tracing,
      timers,
      backgroundTimers: this.backgroundTimers,
      troupeEvents: this.troupeEvents,
      registry: this.registry,
      maxOutputBytes: options.maxOutputBytes ?? 1_048_576,
      maxRuns: options.maxRuns ?? Infinity,
      compiled: options.compiled ?? true,
      providers: (of) =>
        new Providers(
          reliability,
          pools,
          {
            now: () => clock.now(),
            timers: this.backgroundTimers,
            watch,
            changed: (change) => {
              const runId = of.cause === undefined ? {} : { runId: of.cause.root.id };
              this.troupeEvents.emit({ type: 'breaker_changed', ...change, ...runId });
              of.cause?.emit({ type: 'breaker_changed', ...change });
              of.traces?.breakerChanged(change);
              if (breakerChannel.hasSubscribers) breakerChannel.publish({ ...change, ...runId });
              of.savedBreakers.save(of.providers.get(change.provider).breaker);
            },
            warn: (message, error) => of.internalFault(message, error),
          },
          (provider) => of.savedBreakers.take(provider),
        ),
    });
    hosts.set(this, host);
    for (const tool of options.tools ?? []) this.registerTool(tool);
  }

  /** @throws {ToolRegistrationError} for a duplicate, a bad name, or what is not a tool. */
  registerTool(tool: AnyTool): this {
    checkTool(tool);
    if (this.registry.has(tool.name)) {
      throw new ToolRegistrationError(
        `A tool named "${tool.name}" is registered already. Give this one another name.`,
      );
    }
    this.registry.set(tool.name, tool);
    return this;
  }

  /** The registered tools, by name. */
  listTools(): Record<string, ToolDescription> {
    const described = [...this.registry.values()].map((tool): [string, ToolDescription] => [
      tool.name,
      {
        version: tool.version ?? '1.0.0',
        description: tool.description ?? '',
        capabilities: [...(tool.capabilities ?? [])],
        provider: providerOf(tool),
        idempotent: tool.idempotent !== false,
        hasInput: tool.input !== undefined,
        hasOutput: tool.output !== undefined,
      },
    ]);
    return Object.fromEntries(described);
  }

  /** What the calls to each provider share, by name, of those that were asked for: for health checks and dashboards. */
  listProviders(): Record<string, ProviderStatus> {
    return Object.fromEntries(
      hostOf(this)
        .providers.statuses()
        .map((status) => [status.provider, status]),
    );
  }

  /** Callers whose run has not ended, nested runs included. */
  get activeRuns(): number {
    return hostOf(this).starter.active.size;
  }

  /** The breaker of a provider; it is made when first asked for. */
  breaker(provider: string): BreakerControl {
    if (typeof provider !== 'string' || provider === '') {
      throw new InvalidOptionsError(`breaker() takes the name of a provider, got ${String(provider)}.`);
    }
    const shared = hostOf(this).providers.get(provider);
    const { breaker } = shared;
    breaker.isHandled = true;
    return {
      get state() {
        return breaker.state;
      },
      snapshot: () => breaker.snapshot(),
      restore: (snapshot) => breaker.restore(parseSnapshot(snapshot)),
      isolate: () => breaker.isolate(),
      reset: () => {
        shared.cooldownUntil = 0;
        breaker.reset();
      },
    };
  }

  /** Breaker, pool and store events that belong to no run. A reader gets what happens from when it began. */
  get events(): AsyncIterable<TroupeEvent> {
    return { [Symbol.asyncIterator]: () => this.troupeEvents[Symbol.asyncIterator]() };
  }

  /**
   * Refuses new runs, waits for those in flight, then cancels what is left. Called again, the shorter wait counts.
   *
   * @param options.graceMs how long to wait before cancelling, in milliseconds. Default 5000.
   */
  close(options: { graceMs?: number } = {}): Promise<void> {
    const { graceMs = 5000, ...unknown } = options;
    for (const key of Object.keys(unknown)) {
      return Promise.reject(new InvalidOptionsError(`Unknown option \`${key}\`. close() takes graceMs.`));
    }
    if (typeof graceMs !== 'number' || Number.isNaN(graceMs) || graceMs < 0) {
      return Promise.reject(
        new InvalidOptionsError(`Option \`graceMs\` must be a number of at least 0, got ${String(graceMs)}.`),
      );
    }
    const host = hostOf(this);
    if (host.starter.active.size > 0 && graceMs !== Infinity) {
      const cancel = () => host.starter.cancelAll(new TroupeClosedError());
      const timer = host.timers.set(host.now() + graceMs, cancel);
      void host.starter.whenIdle().then(() => host.timers.clear(timer));
    }
    this.closing ??= this.drain();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Resolves when the store has given back the breakers it keeps, or failed to (`troupe.events` says so): wait for it
   * before you take traffic, and a provider that was given a rest before a restart has its rest. A store that answers at
   * once has done so by the time the Troupe is made; one that keeps no breakers has nothing to give.
   */
  get ready(): Promise<void> {
    return hostOf(this).savedBreakers.loaded;
  }

  /** True once `close()` was called. */
  get isClosed(): boolean {
    return this.closing !== undefined;
  }

  /**
   * Sets the part of the reliability options that belongs to the Troupe, once.
   *
   * @internal
   * @throws {InvalidOptionsError} when it was set to something else, or is in use with its defaults.
   */
  adoptShared(reliability: ReliabilityOptions): void {
    const wanted = sharedPart(reliability);
    if (wanted === sharedPart({}) || wanted === this.shared) return;
    const { providers } = hostOf(this);
    if (this.shared !== undefined || providers.size > 0) {
      throw new InvalidOptionsError(
        'Options `reliability.breaker`, `retryBudget` and `providers` belong to the Troupe, which has others already. ' +
          'Set them once, on `new Troupe({ reliability })`.',
      );
    }
    this.shared = wanted;
    const { breaker, retryBudget, providers: byProvider } = reliability;
    providers.adopt({
      ...(breaker === undefined ? {} : { breaker }),
      ...(retryBudget === undefined ? {} : { retryBudget }),
      ...(byProvider === undefined ? {} : { providers: byProvider }),
    });
  }

  private async drain(): Promise<void> {
    const host = hostOf(this);
    await host.starter.whenIdle();
    for (const breaker of host.providers.breakers) if (!breaker.isIdle) host.savedBreakers.save(breaker);
    await host.savedBreakers.whenWritten();
    host.stored.dispose();
    host.providers.dispose();
    this.troupeEvents.end();
    host.watch?.tell({ type: 'closed' });
    host.traces?.close();
    await host.store.close?.();
  }
}

let shared: Troupe | undefined;

/** The process-wide Troupe that constructors without one use. After it was closed, a new one takes its place. */
export function defaultTroupe(): Troupe {
  if (shared === undefined || shared.isClosed) shared = new Troupe();
  return shared;
}
