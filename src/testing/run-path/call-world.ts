import { quiet } from './quiet.js';
import type { RunEvent } from '../../core/events.js';
import type { AnyTool, Estimate, ToolContext } from '../../core/tool.js';
import type { Run } from '../../runtime/run-handle.js';
import { createSimulation, type Simulation, type SimulationOptions } from '../simulation.js';
import { backendOf, Flight, type Verdict } from './backend.js';
import { HeldTool, PlainTool } from './path-tools.js';
import type { WorldOptions } from './run-world.js';
import { turns } from '../turns.js';

const TOOL = 'a';

export interface CallWorldOptions extends WorldOptions {
  /** The provider that all its calls go to. */
  readonly provider: string;
  /** What is reserved for each call. */
  readonly estimate?: Estimate;
  readonly troupe: SimulationOptions<readonly AnyTool[]>;
  /** Options of each run. */
  readonly run?: Parameters<Simulation['reliable']['start']>[0]['options'];
}

/**
 * A Troupe in simulated time whose calls of one tool are held, each in a run of its own: for charts that outlive runs
 * and are shared by them.
 */
export class CallWorld {
  readonly sim: Simulation;
  readonly events: RunEvent[] = [];
  readonly flights: Flight[] = [];
  private readonly runs: Run[] = [];
  private readonly landed = new Set<Flight>();

  constructor(private readonly options: CallWorldOptions) {
    const { provider, estimate, troupe, answer, tool: make } = options;
    const backend = backendOf(answer);
    this.sim = createSimulation({ logger: quiet, ...troupe });
    const inner = make?.(backend) ?? new PlainTool(TOOL, backend);
    const fields = { tool: TOOL, provider, idempotent: true };
    this.sim.troupe.registerTool(
      new HeldTool(fields, inner, (tool, context) => this.takeOff(tool, context), estimate),
    );
  }

  get now(): number {
    return this.sim.clock.now();
  }

  /** Calls that have not landed, the oldest first. */
  get inFlight(): Flight[] {
    return this.flights.filter((flight) => !this.landed.has(flight));
  }

  /** Makes a call; undefined: it was refused. */
  async call(): Promise<Flight | undefined> {
    const { request, toolOptions, run } = this.options;
    const before = this.flights.length;
    const started = this.sim.reliable.start({
      toolName: TOOL,
      request,
      events: (event) => void this.events.push(event),
      ...(toolOptions === undefined ? {} : { toolOptions }),
      ...(run === undefined ? {} : { options: run }),
    });
    this.runs.push(started);
    await turns(2);
    return this.flights[before];
  }

  /** Lets a call end, and what follows from it. */
  async land(flight: Flight | undefined, verdict: Verdict): Promise<void> {
    if (flight === undefined) return;
    this.landed.add(flight);
    flight.end(verdict);
    await turns(2);
  }

  async cleanUp(): Promise<void> {
    for (const flight of this.inFlight) await this.land(flight, { kind: 'fail', status: 400 });
    for (const run of this.runs) run.cancel();
    await turns(2);
    await this.sim.runToIdle();
  }

  private takeOff(tool: string, context: ToolContext): Flight {
    const flight = new Flight(tool, context, false);
    this.flights.push(flight);
    return flight;
  }
}
