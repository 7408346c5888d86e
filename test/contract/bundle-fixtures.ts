import {
  Orchestrator,
  ReliableOrchestrator,
  type BundleContent,
  type BundleOptions,
  type EvidenceBundle,
  type Logger,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type Run,
  type RunEvent,
  type RunEventType,
} from '../../src/index.js';
import {
  createSimulation,
  ok,
  scriptedBundle,
  type ReplicateScript,
  type ReplicateStep,
  type ScriptedBundle,
  type ScriptedBundleOptions,
  type Simulation,
  type SimulationOptions,
} from '../../src/testing/index.js';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** What a bundle is asked: the same step of every replicate, or a script for each. */
export type BundleScript = ReplicateStep | readonly ReplicateScript[];

/** Replicate i gives the i-th answer; those beyond give the last one. */
export function answers(...given: readonly unknown[]): ReplicateScript[] {
  return given.map((answer) => ok(answer));
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
  script: BundleScript,
  fields: ScriptedBundleOptions = {},
  { reliability, ...given }: SimulationOptions<[]> & { basic?: boolean } = {},
): Stage {
  const { basic = false, ...simOptions } = given;
  const sim = createSimulation({
    logger: quiet,
    reliability: { jitter: 'none', ...reliability },
    ...simOptions,
  });
  const tool = scriptedBundle('panel', typeof script === 'function' ? [script] : script, fields);
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
  script: BundleScript,
  toolOptions: BundleOptions = {},
  fields: ScriptedBundleOptions = {},
): Promise<EvidenceBundle> {
  return bundleOf(await stage(script, fields).go(toolOptions));
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
