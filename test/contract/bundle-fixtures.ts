import {
  BundleTool,
  Orchestrator,
  ReliableOrchestrator,
  type BundleContent,
  type BundleOptions,
  type EvidenceBundle,
  type JsonValue,
  type Logger,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type ReplicateDraw,
  type Run,
  type RunEvent,
  type RunEventType,
  type ToolContext,
} from '../../src/index.js';
import {
  createSimulation,
  ok,
  type ScriptedCall,
  type ScriptStep,
  type Simulation,
  type SimulationOptions,
} from '../../src/testing/index.js';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A call of `replicate`; the steps of scripted tools take it too. */
export interface BundleCall extends ScriptedCall, ReplicateDraw {
  readonly context: ToolContext;
}

export type BundleStep = (call: BundleCall) => unknown;

type BundleFields = Partial<
  Pick<
    BundleTool,
    | 'version'
    | 'provider'
    | 'input'
    | 'output'
    | 'schemas'
    | 'idempotent'
    | 'estimate'
    | 'defaultOptions'
    | 'equivalent'
    | 'shouldStop'
    | 'capabilities'
  >
>;

/** A bundle tool that does in each call what its step says. */
export class ScriptedBundle extends BundleTool<any, any> {
  readonly calls: BundleCall[] = [];

  constructor(
    readonly name: string,
    private readonly clock: Simulation['clock'],
    private readonly step: BundleStep,
    fields: BundleFields = {},
  ) {
    super();
    Object.assign(this, fields);
  }

  override replicate(request: JsonValue, draw: ReplicateDraw, context: ToolContext): unknown {
    const number = this.calls.filter(({ index }) => index === draw.index).length + 1;
    const call: BundleCall = { request, options: {}, context, number, clock: this.clock, ...draw };
    this.calls.push(call);
    return this.step(call);
  }
}

/** Replicate i gives the i-th answer; those beyond give the last one. */
export function answers(...given: readonly unknown[]): BundleStep {
  return ({ index }) => given[Math.min(index, given.length - 1)];
}

/** Replicate i follows the i-th script, one step a call; the last of each is repeated. */
export function scripts(...given: readonly (ScriptStep | readonly ScriptStep[])[]): BundleStep {
  return (call) => {
    const script = given[Math.min(call.index, given.length - 1)]!;
    const steps = typeof script === 'function' ? [script] : script;
    return (steps[Math.min(call.number, steps.length) - 1] ?? ok())(call);
  };
}

export interface Stage {
  readonly sim: Simulation;
  readonly tool: ScriptedBundle;
  start(toolOptions?: BundleOptions, options?: OrchestrationOptions): Run;
  /** To its end. */
  go(toolOptions?: BundleOptions, options?: OrchestrationOptions): Promise<OrchestrationOutput>;
}

/** A registered bundle tool named `panel`, on a virtual clock; no jitter. */
export function stage(
  step: BundleStep,
  fields: BundleFields = {},
  { reliability, ...given }: SimulationOptions<[]> & { basic?: boolean } = {},
): Stage {
  const { basic = false, ...simOptions } = given;
  const sim = createSimulation({
    logger: quiet,
    reliability: { jitter: 'none', ...reliability },
    ...simOptions,
  });
  const tool = new ScriptedBundle('panel', sim.clock, step, fields);
  sim.troupe.registerTool(tool);
  const orchestrator = basic
    ? new Orchestrator(sim.troupe)
    : new ReliableOrchestrator({ troupe: sim.troupe });
  const start: Stage['start'] = (toolOptions, options) =>
    orchestrator.start({
      toolName: 'panel',
      request: { q: 1 },
      ...(toolOptions ? { toolOptions } : {}),
      ...(options ? { options } : {}),
    });
  return {
    sim,
    tool,
    start,
    async go(toolOptions, options) {
      const run = start(toolOptions, options);
      await sim.runToIdle();
      return run.output;
    },
  };
}

export function bundleOf(output: { content: unknown }): EvidenceBundle {
  return (output.content as BundleContent).evidenceBundle;
}

/** The bundle of one run that has an answer. */
export async function bundleFrom(
  step: BundleStep,
  toolOptions: BundleOptions = {},
  fields: BundleFields = {},
): Promise<EvidenceBundle> {
  return bundleOf(await stage(step, fields).go(toolOptions));
}

/** All events of a run that has ended. */
export async function eventsOf(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  return events;
}

export function ofType<T extends RunEventType>(
  events: readonly RunEvent[],
  type: T,
): Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}

/** What a run rejects with. */
export async function rejectionOf<E extends Error>(run: Run): Promise<E> {
  return run.output.then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error as E,
  );
}
