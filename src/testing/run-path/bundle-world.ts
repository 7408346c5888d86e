import { quiet } from './quiet.js';
import type { RunEvent } from '../../core/events.js';
import type { ToolContext } from '../../core/tool.js';
import { bundleMachine, type BundleContext } from '../../machines/index.js';
import type { Run } from '../../runtime/run-handle.js';
import { hostOf } from '../../troupe.js';
import { createSimulation, type Simulation } from '../simulation.js';
import { backendOf, Flight, type Verdict } from './backend.js';
import type { BundleScript } from './bundle-script.js';
import type { Seen } from './driver.js';
import { HeldReplicates } from './held-replicates.js';
import { HeldSlices } from './held-slices.js';
import { Observed } from './observed.js';
import { PlainTool } from './path-tools.js';
import type { WorldOptions } from './run-world.js';

/** How long the run of a bundle may take, in milliseconds. */
export const TIMEOUT_MS = 1000;

/** A Troupe in simulated time around one run of a bundle tool. */
export class BundleWorld {
  readonly sim: Simulation;
  readonly slices: HeldSlices;
  readonly flights: Flight[] = [];
  readonly events: RunEvent[] = [];
  /** The rule is met with the next answer that is counted. */
  isDecided = false;
  /** The run is stopped by who hears of the next replicate that ends. */
  stopsAtNextEnd = false;
  run!: Run;
  private readonly landed = new Set<Flight>();
  private readonly tool: HeldReplicates;
  private readonly observed = new Observed(
    bundleMachine.id,
    ({ context }) => (context as BundleContext).bundleId,
  );

  constructor(
    readonly script: BundleScript,
    private readonly options: WorldOptions,
  ) {
    this.sim = createSimulation({ logger: quiet, inspect: (event) => this.observed.note(event) });
    const host = hostOf(this.sim.troupe);
    this.slices = new HeldSlices(() => host.now());
    Object.assign(host, { slices: this.slices });
    const backend = backendOf(options.answer);
    const inner = options.tool?.(backend) ?? new PlainTool('a', backend);
    this.tool = new HeldReplicates(
      { tool: inner.name, provider: 'a', idempotent: true },
      inner,
      (tool, context) => this.takeOff(tool, context),
      script.speculates ? { shouldStop: () => this.isDecided } : {},
      options.toolOptions,
    );
  }

  get seen(): readonly Seen[] {
    return this.observed.seenOf(`${this.run.id}#bundle`);
  }

  start(): void {
    const { script, options } = this;
    const { k, speculates: speculate, maxParallel, input } = script;
    this.run = this.sim.orchestrator.start({
      tool: this.tool,
      request: options.request,
      toolOptions: { ...options.toolOptions, k, speculate, maxParallel, epsilon: 0.05 },
      events: (event) => this.hear(event),
      options: { abortGraceMs: input.abortGraceMs, timeoutMs: TIMEOUT_MS },
    });
  }

  /** Ends the oldest call that has not ended. */
  land(verdict: Verdict): void {
    const flight = this.flights.find((each) => !this.landed.has(each));
    if (!flight) return;
    this.landed.add(flight);
    flight.end(verdict);
  }

  private hear(event: RunEvent): void {
    this.events.push(event);
    if (event.type !== 'replicate_done' || !this.stopsAtNextEnd) return;
    this.stopsAtNextEnd = false;
    this.run.cancel('by the path');
  }

  private takeOff(tool: string, context: ToolContext): Flight {
    const flight = new Flight(tool, context, true);
    this.flights.push(flight);
    return flight;
  }
}
