import type { Attributes, Meter, ObservableGauge } from '@opentelemetry/api';
import type { BreakerChange, BreakerState, TraceEvent, TracedTroupe, Usage } from '../../index.js';
import * as names from './names.js';

/** The boundaries the conventions ask for. */
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];
const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half-open', 'isolated'];

/** What is counted. Attributes are names of tools and providers, and words of ours: nothing that grows with traffic. */
export class Metrics {
  private readonly duration;
  private readonly tokens;
  private readonly runs;
  private readonly active;
  private readonly retries;
  private readonly fallbacks;
  private readonly cost;
  private readonly transitions;
  private readonly gauges;

  constructor(private readonly meter: Meter) {
    this.duration = meter.createHistogram(names.OPERATION_DURATION, {
      description: 'How long runs and logical calls took, retries and waits included.',
      unit: 's',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    this.tokens = meter.createHistogram(names.TOKEN_USAGE, {
      description: 'Tokens that logical calls used, retries and losers included.',
      unit: '{token}',
      advice: { explicitBucketBoundaries: TOKENS },
    });
    this.runs = meter.createCounter(names.RUNS, { description: 'Runs that have ended.', unit: '{run}' });
    this.active = meter.createUpDownCounter(names.RUNS_ACTIVE, {
      description: 'Runs in flight.',
      unit: '{run}',
    });
    this.retries = meter.createCounter(names.RETRIES, {
      description: 'Retries that were scheduled.',
      unit: '{retry}',
    });
    this.fallbacks = meter.createCounter(names.FALLBACKS, {
      description: 'Times a run went on with the next tool.',
      unit: '{fallback}',
    });
    this.cost = meter.createCounter(names.COST_USD, {
      description: 'What logical calls cost, in US dollars.',
      unit: 'USD',
    });
    this.transitions = meter.createCounter(names.BREAKER_TRANSITIONS, {
      description: 'Changes of state of breakers.',
      unit: '{transition}',
    });
    const gauge = (name: string, description: string, unit: string) =>
      meter.createObservableGauge(name, { description, unit });
    this.gauges = {
      breaker: gauge(names.BREAKER_STATE, '1 for the state a breaker is in, 0 for the others.', '1'),
      active: gauge(names.POOL_ACTIVE, 'Slots of a pool that are in use.', '{call}'),
      waiting: gauge(names.POOL_WAITING, 'Calls that wait for a slot of a pool.', '{call}'),
    };
  }

  runStarted(): void {
    this.active.add(1);
  }

  runEnded(elapsedMs: number, attributes: Attributes, answeredBy: string): void {
    this.active.add(-1);
    this.runs.add(1, { ...attributes, [names.ANSWERED_BY]: answeredBy });
    const operation = { [names.OPERATION]: names.INVOKE_WORKFLOW };
    // A copied answer took no time of its own worth a place among those that were made.
    if (answeredBy === 'execution') this.duration.record(elapsedMs / 1000, { ...operation, ...attributes });
  }

  callEnded(elapsedMs: number, attributes: Attributes, tool: Attributes, usage: Usage | undefined): void {
    const operation = { [names.OPERATION]: names.EXECUTE_TOOL };
    this.duration.record(elapsedMs / 1000, { ...operation, ...tool, ...attributes });
    if (!usage) return;
    const { inputTokens, outputTokens, costUsd } = usage;
    if (costUsd > 0) this.cost.add(costUsd, tool);
    const of = { ...operation, ...tool };
    if (inputTokens > 0) this.tokens.record(inputTokens, { ...of, [names.TOKEN_TYPE]: 'input' });
    if (outputTokens > 0) this.tokens.record(outputTokens, { ...of, [names.TOKEN_TYPE]: 'output' });
  }

  event(event: TraceEvent): void {
    if (event.type === 'retry_scheduled') this.retries.add(1, { [names.TOOL_NAME]: event.toolName });
    else if (event.type === 'fallback_started') {
      this.fallbacks.add(1, {
        [names.FALLBACK_FROM]: event.fromTool,
        [names.FALLBACK_TO]: event.toolName,
        [names.ERROR_TYPE]: event.reason,
      });
    }
  }

  breakerChanged({ provider, from, to, reason }: BreakerChange): void {
    this.transitions.add(1, {
      [names.PROVIDER]: provider,
      [names.BREAKER_FROM]: from,
      [names.BREAKER_TO]: to,
      [names.BREAKER_REASON]: reason,
    });
  }

  /** Breakers and pools are looked at when metrics are collected; returns how to stop. */
  observe(troupe: TracedTroupe): () => void {
    const { breaker, active, waiting } = this.gauges;
    const gauges: ObservableGauge[] = [breaker, active, waiting];
    const look: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
      for (const { provider, breaker: state, pool } of troupe.providers()) {
        const of = { [names.PROVIDER]: provider };
        for (const each of BREAKER_STATES) {
          result.observe(breaker, each === state ? 1 : 0, { ...of, [names.BREAKER_STATE]: each });
        }
        if (!pool) continue;
        result.observe(active, pool.active, of);
        result.observe(waiting, pool.waiting, of);
      }
    };
    this.meter.addBatchObservableCallback(look, gauges);
    return () => this.meter.removeBatchObservableCallback(look, gauges);
  }
}
