import { Budget, type BudgetOptions } from '../../core/budget.js';
import type { Clock, Logger } from '../../core/ports.js';
import type { PlanDecision } from '../../core/planning/planner.js';
import type { JsonValue } from '../../core/json.js';
import type { AnyTool } from '../../core/tool.js';
import { Orchestrator, ReliableOrchestrator } from '../../orchestrator.js';
import type { BreakerSnapshot } from '../../runtime/breaker-snapshot.js';
import { hostOf, Troupe } from '../../troupe.js';
import type { VirtualClock } from '../virtual-clock.js';
import { seededRandom } from '../seeded-random.js';
import { BreakerModel } from './breaker-model.js';
import type { CallRecord } from './calls.js';
import type { PlanShape } from './plan.js';
import { BREAKERS, POOLS, RELIABILITY, SHARED_BUDGETS, TOOLS, type ProviderName } from './setting.js';
import type { SharedStore } from './store.js';

/** A budget with the calls that were made under it. */
export interface LedgerBudget {
  readonly label: string;
  readonly budget: Budget;
  readonly calls: CallRecord[];
}

/** The clock as one process sees it: what dies with the process does not fire. */
class ProcessClock implements Clock {
  private readonly handles = new Set<unknown>();
  private isStopped = false;

  constructor(private readonly clock: VirtualClock) {}

  now(): number {
    return this.clock.now();
  }

  setTimeout(fn: () => void, ms: number): unknown {
    if (this.isStopped) return {};
    const handle = this.clock.setTimeout(() => {
      this.handles.delete(handle);
      fn();
    }, ms);
    this.handles.add(handle);
    return handle;
  }

  clearTimeout(id: unknown): void {
    this.handles.delete(id);
    this.clock.clearTimeout(id);
  }

  stop(): void {
    this.isStopped = true;
    for (const handle of this.handles) this.clock.clearTimeout(handle);
    this.handles.clear();
  }
}

export interface ProcessPorts {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly store: SharedStore;
  /** An error was logged. */
  readonly faulted: (message: string, fields?: Record<string, unknown>) => void;
  readonly toolsFor: (process: SimulatedProcess) => AnyTool[];
}

/** One process: a Troupe with its tools, budgets and orchestrators. It can be killed. */
export class SimulatedProcess {
  readonly clock: ProcessClock;
  readonly troupe: Troupe;
  readonly plain: Orchestrator;
  /** Ranks the tools. */
  readonly ranking: ReliableOrchestrator;
  /** Does as the request says. */
  readonly planning: ReliableOrchestrator;
  readonly tools: ReadonlyMap<string, AnyTool>;
  readonly budgets: readonly LedgerBudget[];
  readonly models: Readonly<Record<ProviderName, BreakerModel>>;
  readonly isolations: Record<ProviderName, { release(): void }[]>;
  /** Until when a provider asked everybody to stay away. */
  readonly cooldowns: Record<ProviderName, number>;
  isDead = false;
  closingAt: number | undefined;
  isClosed = false;

  constructor(
    readonly index: number,
    readonly generation: number,
    ports: ProcessPorts,
  ) {
    const { seed, clock, store, faulted } = ports;
    this.clock = new ProcessClock(clock);
    const logger: Logger = {
      debug() {},
      info() {},
      warn() {},
      error: (message, fields) => {
        if (!this.isDead) faulted(message, fields);
      },
    };
    const tools = ports.toolsFor(this);
    this.tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.troupe = new Troupe({
      tools,
      clock: this.clock,
      random: seededRandom(seed * 31 + index * 7 + generation),
      store: store.viewFor(this.clock, () => this.isDead),
      pools: POOLS,
      reliability: RELIABILITY,
      logger,
      ...(index === 1 ? { maxRuns: 8 } : {}),
    });
    const { troupe } = this;
    this.plain = new Orchestrator(troupe);
    this.ranking = new ReliableOrchestrator({ troupe });
    this.planning = new ReliableOrchestrator({ troupe, planner: { plan: decide } });
    this.budgets = SHARED_BUDGETS.map((options: BudgetOptions, number) => ({
      label: `shared budget ${number}`,
      budget: new Budget(options),
      calls: [],
    }));
    this.models = eachProvider((name) => new BreakerModel(BREAKERS[name]));
    this.isolations = eachProvider(() => []);
    this.cooldowns = eachProvider(() => 0);
  }

  get name(): string {
    return this.index === 0 ? 'A' : 'B';
  }

  get host() {
    return hostOf(this.troupe);
  }

  /** As by kill -9: its timers and calls never come back, nobody is told. */
  kill(): Record<ProviderName, BreakerSnapshot> {
    const snapshots = eachProvider((name) => this.troupe.breaker(name).snapshot());
    this.isDead = true;
    this.clock.stop();
    return snapshots;
  }

  restore(snapshots: Readonly<Record<ProviderName, BreakerSnapshot>>): void {
    for (const name of Object.keys(snapshots) as ProviderName[]) {
      this.troupe.breaker(name).restore(snapshots[name]);
      const { state } = snapshots[name];
      // An isolation is an operator's word to a process, and ends with it.
      if (state !== 'isolated') this.models[name].adopt(snapshots[name], this.clock.now());
    }
  }
}

export function eachProvider<T>(make: (name: ProviderName) => T): Record<ProviderName, T> {
  const names = [...new Set(Object.values(TOOLS).map((tool) => tool.provider))];
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<ProviderName, T>;
}

/** The planner that does what the request asks for. */
function decide(request: JsonValue): PlanDecision {
  const { plan } = request as unknown as { plan: PlanShape };
  const { strategy, tools } = plan;
  if (strategy === 'single') return { tool: tools[0]!, fallbacks: [...new Set(tools.slice(1))] };
  const steps = tools.map((tool, index) => ({ name: `${tool}${index}`, tool }));
  return { strategy, steps, ...(plan.strategy === 'parallel' ? { policy: plan.policy } : {}) };
}
