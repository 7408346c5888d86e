import { BundleTool, type ReplicateDraw } from '../../core/bundle-tool.js';
import type { TallyView } from '../../core/evidence/custom-stopping.js';
import type { EvidenceBundle } from '../../core/evidence/bundle.js';
import { Tool, type AnyTool, type Estimate, type ToolContext } from '../../core/tool.js';
import type { Candidate } from '../../machines/index.js';
import type { Backend, Flight } from './backend.js';

/** What calls of these tools are estimated at, so that budgets can be made too small for them. */
export const ESTIMATE = { tokens: 10 };

/** Tells of a call, and gives the flight that carries it. */
export type TakeOff = (tool: string, context: ToolContext) => Flight;

/** A tool whose calls the path holds: it passes them on to the tool under test. */
export class HeldTool extends Tool<any, any, any> {
  readonly name: string;

  constructor(
    { tool: name, provider, idempotent }: Pick<Candidate, 'tool' | 'provider' | 'idempotent'>,
    private readonly inner: AnyTool,
    private readonly takeOff: TakeOff,
    private readonly estimated: Estimate = ESTIMATE,
  ) {
    super();
    this.name = name;
    const { version, input, output, defaultOptions, replayable } = inner;
    const own = { provider, idempotent, version, input, output, defaultOptions, replayable };
    for (const [field, value] of Object.entries(own))
      if (value !== undefined) Object.assign(this, { [field]: value });
  }

  override estimate() {
    return this.estimated;
  }

  execute(request: unknown, options: unknown, context: ToolContext): Promise<unknown> {
    return this.takeOff(this.name, context).carry(
      () => this.inner.execute(request, options, context) as unknown,
    );
  }
}

/** A tool that asks the backend and hands on what it says. */
export class PlainTool extends Tool<any, any, any> {
  constructor(
    readonly name: string,
    private readonly backend: Backend,
  ) {
    super();
  }

  execute(_request: unknown, _options: unknown, { signal }: ToolContext): Promise<unknown> {
    return this.backend.call({ signal });
  }
}

/** A bundle tool whose replicates the path holds, and that stops when the path says so. */
export class HeldBundle extends BundleTool<any, any> {
  readonly name: string;
  isDecided = false;

  constructor(
    { tool: name, provider }: Pick<Candidate, 'tool' | 'provider'>,
    private readonly backend: Backend,
    private readonly takeOff: TakeOff,
  ) {
    super();
    this.name = name;
    Object.assign(this, { provider });
  }

  override estimate() {
    return ESTIMATE;
  }

  override replicate(_request: unknown, _draw: ReplicateDraw, context: ToolContext): Promise<unknown> {
    return this.takeOff(this.name, context).carry(() => this.backend.call({ signal: context.signal }));
  }

  /** Two of its replicates decide, however they ended. */
  override shouldStop({ n }: TallyView): boolean {
    return this.isDecided && n >= 2;
  }
}

/** A tool that makes bundles by itself: half of its replicates are valid, so that its answer is a part. */
export class HalfBundle extends BundleTool<any, any> {
  constructor(
    readonly name: string,
    private readonly backend: Backend,
    private readonly takeOff: TakeOff,
    fields: Pick<Candidate, 'provider'>,
  ) {
    super();
    Object.assign(this, fields);
  }

  override estimate() {
    return ESTIMATE;
  }

  protected override async executeBundle(_request: unknown, _options: unknown, context: ToolContext) {
    return this.takeOff(this.name, context).carry(async () => {
      await this.backend.call({ signal: context.signal });
      const replicates = [
        { id: 'r1', index: 0, status: 'valid', data: 1 },
        { id: 'r2', index: 1, status: 'failed', data: null },
      ];
      return {
        replicates,
        summary: { consensus: 1, disagreements: [], confidence: null },
      } as unknown as EvidenceBundle<any>;
    });
  }
}
