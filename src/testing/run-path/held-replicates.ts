import { BundleTool, isBundleTool, type ReplicateDraw } from '../../core/bundle-tool.js';
import type { TallyView } from '../../core/evidence/custom-stopping.js';
import type { StandardSchema } from '../../core/schema.js';
import type { AnyTool, ToolContext } from '../../core/tool.js';
import type { Candidate } from '../../machines/index.js';
import { ESTIMATE, type TakeOff } from './path-tools.js';

/** A bundle tool whose replicates the path holds: each is one answer of the tool under test. */
export class HeldReplicates extends BundleTool<any, any> {
  readonly name: string;

  constructor(
    { tool: name, provider, idempotent }: Pick<Candidate, 'tool' | 'provider' | 'idempotent'>,
    private readonly inner: AnyTool,
    private readonly takeOff: TakeOff,
    /** In the place of the tool's own. */
    output?: StandardSchema,
    shouldStop?: (tally: TallyView) => boolean,
  ) {
    super();
    this.name = name;
    const { version, input, defaultOptions, replayable } = inner;
    const own = { provider, idempotent, version, input, defaultOptions, replayable };
    const fields = { ...own, output: output ?? inner.output, shouldStop };
    for (const [field, value] of Object.entries(fields))
      if (value !== undefined) Object.assign(this, { [field]: value });
  }

  override estimate() {
    return ESTIMATE;
  }

  override replicate(request: unknown, draw: ReplicateDraw, context: ToolContext): Promise<unknown> {
    const { inner } = this;
    return this.takeOff(this.name, context).carry(
      () =>
        (isBundleTool(inner)
          ? inner.replicate!(request, draw, context)
          : inner.execute(request, {}, context)) as unknown,
    );
  }
}
