import { BundleTool, isBundleTool, type ReplicateDraw } from '../../core/bundle-tool.js';
import type { TallyView } from '../../core/evidence/custom-stopping.js';
import type { StandardSchema } from '../../core/schema.js';
import type { AnyTool, Estimate, ToolContext } from '../../core/tool.js';
import type { Candidate } from '../../machines/index.js';
import { ESTIMATE, type TakeOff } from './path-tools.js';

/** What the path has in the place of the tool's own. */
interface Own {
  readonly output?: StandardSchema;
  readonly shouldStop?: (tally: TallyView) => boolean;
  readonly estimate?: () => Estimate;
}

/** A bundle tool whose replicates the path holds: each is one answer of the tool under test. */
export class HeldReplicates extends BundleTool<any, any> {
  readonly name: string;

  constructor(
    { tool: name, provider, idempotent }: Pick<Candidate, 'tool' | 'provider' | 'idempotent'>,
    private readonly inner: AnyTool,
    private readonly takeOff: TakeOff,
    own: Own = {},
    /** For a tool that is none of a bundle. */
    private readonly toolOptions: Record<string, unknown> = {},
  ) {
    super();
    this.name = name;
    const { version, input, output, defaultOptions, replayable } = inner;
    const kept = { provider, idempotent, version, input, output, defaultOptions, replayable };
    const fields = { estimate: () => ESTIMATE, ...kept, ...own };
    for (const [field, value] of Object.entries(fields))
      if (value !== undefined) Object.assign(this, { [field]: value });
  }

  override replicate(request: unknown, draw: ReplicateDraw, context: ToolContext): Promise<unknown> {
    const { inner } = this;
    return this.takeOff(this.name, context).carry(
      () =>
        (isBundleTool(inner)
          ? inner.replicate!(request, draw, context)
          : inner.execute(request, this.toolOptions, context)) as unknown,
    );
  }
}
