import type { InspectionEvent, Observer } from 'xstate';
import type { BreakerState, RunEvent, RunEventBody, TroupeEventBody } from '../core/events.js';
import type { WindowCounts } from '../core/breaker-window.js';
import type { JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Logger } from '../core/ports.js';

/** What an actor is within its Troupe. */
export interface Subject {
  readonly kind: 'run' | 'bundle' | 'replicate' | 'breaker' | 'budget';
  /** What people call it: `run`, `replicate r3`, `breaker openai`. */
  readonly name: string;
  /** Of the run it works for; undefined where it outlives runs. */
  readonly runId: string | undefined;
  /** Its own id among the actors of its run, and the id of the actor it is a part of. */
  readonly id: string;
  readonly partOf: string | undefined;
}

/** What an actor of a Troupe is, for those who inspect it. */
export interface ActorSubject extends Subject {
  readonly troupe: InspectedTroupe;
}

/** A Troupe, for those who inspect it. */
export interface InspectedTroupe {
  /** Epoch milliseconds on its clock. */
  now(): number;
  providers(): ProviderStatus[];
}

/** What all calls to one provider share, at a moment. */
export interface ProviderStatus {
  readonly provider: string;
  readonly breaker: BreakerState;
  readonly openUntil: number | null;
  /** Of the window a closed breaker looks at. */
  readonly window: WindowCounts;
  /** Null: no limit. */
  readonly pool: { readonly size: number; readonly active: number; readonly waiting: number } | null;
  /** Tokens left of its retry budget; null: switched off. */
  readonly retryTokens: number | null;
  /** Until when the provider asked every caller to stay away, in epoch milliseconds; 0: it did not. */
  readonly cooldownUntil: number;
}

/** What a caller asked for. */
export interface AskedRun {
  readonly runId: string;
  readonly traceId: string;
  /** The tool asked for; null: the planner chooses. */
  readonly tool: string | null;
  readonly request: JsonValue;
  readonly toolOptions: JsonValue;
  readonly timeoutMs: number | null;
  readonly budget: { readonly tokens?: number; readonly costUsd?: number } | null;
  readonly idempotencyKey: string | null;
  /** The run whose tool asked for it. */
  readonly outerRunId: string | null;
  /** It has a `redact` of its own, so its request and its answer are not to be shown. */
  readonly isRedacted: boolean;
}

/** What a Troupe says to those who inspect it, beside what its charts do. */
export type TroupeNews =
  | { readonly type: 'run'; readonly run: AskedRun }
  /** The caller's run takes part in the execution of another, which has its key. */
  | { readonly type: 'joined'; readonly runId: string; readonly executionId: string }
  /** An event of a run's stream; `body` with its stamps. */
  | {
      readonly type: 'said';
      readonly runId: string;
      readonly traceId: string;
      readonly seq: number;
      readonly body: RunEventBody | RunEvent;
    }
  | {
      readonly type: 'ended';
      readonly runId: string;
      /** It has a `redact` of its own, so its answer is not to be shown. */
      readonly isRedacted: boolean;
      readonly output: OrchestrationOutput | undefined;
      readonly error: unknown;
    }
  /** An event of `troupe.events`. */
  | { readonly type: 'event'; readonly body: TroupeEventBody }
  | { readonly type: 'closed' };

/** Sees what charts do, and what their Troupe says beside. */
export interface TroupeInspector {
  /** `subject` says what the actor is. What it throws is contained. */
  next(event: InspectionEvent, subject?: ActorSubject): void;
  tell?(news: TroupeNews, troupe: InspectedTroupe): void;
  /** Asked when an actor of a run is made: true spares the cost of showing it. */
  ignores?(runId: string): boolean;
}

/** What the option `inspect` takes. */
export type Inspector =
  TroupeInspector | Observer<InspectionEvent> | ((event: InspectionEvent, subject?: ActorSubject) => void);

/** Those who inspect a Troupe, as one; none of them can harm it. */
export class Watch {
  private readonly observers: ((event: InspectionEvent, subject: ActorSubject) => void)[];
  private readonly listeners: ((news: TroupeNews, troupe: InspectedTroupe) => void)[];
  /** Undefined: there is one that ignores no run. */
  private readonly ignore: ((runId: string) => boolean)[] | undefined;

  constructor(
    inspectors: readonly Inspector[],
    readonly troupe: InspectedTroupe,
    logger: Logger,
  ) {
    this.observers = inspectors.map((inspector) => contain(nextOf(inspector), logger));
    this.listeners = inspectors.flatMap((inspector) =>
      'tell' in inspector && inspector.tell ? [contain(inspector.tell.bind(inspector), logger)] : [],
    );
    const ignore = inspectors.flatMap((inspector) => {
      if (!('ignores' in inspector) || !inspector.ignores) return [];
      const ignores = inspector.ignores.bind(inspector);
      return [contain(ignores, logger, false)];
    });
    this.ignore = ignore.length === inspectors.length ? ignore : undefined;
  }

  /** Nobody wants to see what belongs to this run. */
  ignores(runId: string): boolean {
    return this.ignore?.every((ignores) => ignores(runId)) ?? false;
  }

  /** Somebody wants to know more than what charts do. */
  get hears(): boolean {
    return this.listeners.length > 0;
  }

  /** For one actor: XState's `inspect`; undefined where nobody wants to see it. */
  observerOf(subject: Subject): ((event: InspectionEvent) => void) | undefined {
    if (subject.runId !== undefined && this.ignores(subject.runId)) return undefined;
    const told: ActorSubject = Object.assign({ troupe: this.troupe }, subject);
    const [only, ...others] = this.observers;
    if (only && others.length === 0) return (event) => only(event, told);
    return (event) => {
      for (const observe of this.observers) observe(event, told);
    };
  }

  tell(news: TroupeNews): void {
    for (const tell of this.listeners) tell(news, this.troupe);
  }
}

function nextOf(inspector: Inspector): (event: InspectionEvent, subject: ActorSubject) => void {
  if (typeof inspector === 'function') return inspector;
  return inspector.next?.bind(inspector) ?? (() => {});
}

/** XState lets an inspector's exception into `send()`: never here. */
function contain<Args extends unknown[], Result = void>(
  fn: (...args: Args) => Result,
  logger: Logger,
  otherwise?: Result,
): (...args: Args) => Result {
  let hasFailed = false;
  return (...args) => {
    try {
      return fn(...args);
    } catch (error) {
      if (!hasFailed)
        logger.warn('The inspector threw; its errors are ignored from now on.', { error: String(error) });
      hasFailed = true;
      return otherwise as Result;
    }
  };
}

/** As an option of `createActor`, which takes no undefined. */
export function inspectedBy(inspect: ((event: InspectionEvent) => void) | undefined): {
  readonly inspect?: (event: InspectionEvent) => void;
} {
  return inspect ? { inspect } : {};
}
