import * as z from 'zod';
import type { BundleConfig, BundleOptions } from './bundle-options.js';
import { InvalidOptionsError, describeError } from './errors.js';
import { statusOf, type BundleStatus, type EvidenceBundle } from './evidence/bundle.js';
import type { TallyView } from './evidence/custom-stopping.js';
import type { JsonObject, JsonValue } from './json.js';
import { isStandardSchema, type StandardSchema } from './schema.js';
import { Tool, toolResult, type AnyTool, type ToolContext, type ToolResult } from './tool.js';

const BUNDLE_MARK = Symbol.for('troupe.bundleTool');
const DEFAULT_MARK = Symbol.for('troupe.bundleTool.default');

/** Which of the k replicates a call is for. */
export interface ReplicateDraw {
  /** From 0. */
  readonly index: number;
  /** `r1` for index 0. */
  readonly id: string;
  /** Hand it to the model: every replicate must be a draw of its own. */
  readonly seed: number;
}

/** The content of a bundle tool's output. */
export interface BundleContent<Answer = JsonValue> {
  evidenceBundle: EvidenceBundle<Answer>;
}

/**
 * A tool that is asked the same question k times, and whose answers are reduced to an {@link EvidenceBundle}. Give it
 * `replicate`, and Troupe does the rest; or take over with `executeBundle`.
 *
 * `estimate` is of one replicate's call; `output` validates one answer.
 */
export abstract class BundleTool<Req = JsonValue, Answer = JsonValue> extends Tool<
  Req,
  BundleContent<Answer>,
  BundleOptions
> {
  /**
   * Gives one independent answer: any JSON, text and null included. Called once for each attempt of each replicate.
   * Write `override` before it where your compiler asks for that (`noImplicitOverride`).
   * Metadata of a {@link toolResult} may hold `temperature` and `cached`, for draws that are no independent ones.
   */
  replicate?(
    request: Req,
    draw: ReplicateDraw,
    context: ToolContext,
  ): Promise<Answer | ToolResult<Answer>> | Answer | ToolResult<Answer>;

  /**
   * Whether two answers mean the same; the default is equality of their normal forms. Asked in both orders, at most 64
   * distinct answers are compared with a new one. Contained when it throws.
   */
  equivalent?(a: Answer, b: Answer): boolean;

  /** A stopping rule in the place of the `stopping` option; k stays the cap. Contained when it throws. */
  shouldStop?(tally: TallyView): boolean;

  /** Vectors whose distances are used in the summary; the default is Jaccard distances. Contained when it throws. */
  embed?(answer: Answer): ArrayLike<number> | null;

  /**
   * A probability of being right for a confidence, learned from answers of this tool whose truth is known: reported as
   * `summary.calibratedConfidence`. Contained when it throws.
   */
  calibrate?(confidence: number): number;

  /** Schemas that the option `schemaUri` can name: Standard Schemas, or JSON Schemas. */
  declare readonly schemas?: Readonly<Record<string, StandardSchema | JsonObject>>;

  /**
   * Takes over: makes the replicates and the bundle by itself, in one call that is never retried. Overridden, nothing
   * else of this class is used; the default is Troupe's supervisor, which does not go through this method.
   */
  protected executeBundle(
    _request: Req,
    _options: BundleOptions,
    _context: ToolContext,
  ): Promise<EvidenceBundle<Answer>> {
    return Promise.reject(
      new InvalidOptionsError(
        `The bundle tool "${this.name}" cannot be called by hand: give it to \`run()\`, or to \`context.run()\` inside a tool.`,
      ),
    );
  }

  async execute(
    request: Req,
    options: BundleOptions,
    context: ToolContext,
  ): Promise<ToolResult<BundleContent<Answer>>> {
    const evidenceBundle = await this.executeBundle(request, options, context);
    const usage = (evidenceBundle as Partial<EvidenceBundle> | undefined)?.usageTotal;
    return toolResult({ content: { evidenceBundle }, ...(usage === undefined ? {} : { usage }) });
  }
}

Object.defineProperty(BundleTool.prototype, BUNDLE_MARK, { value: true });
for (const method of ['execute', 'executeBundle'] as const) {
  // By hand, as the second is not public.
  const own = (BundleTool.prototype as unknown as Record<string, object>)[method]!;
  Object.defineProperty(own, DEFAULT_MARK, { value: true });
}

export type AnyBundleTool = BundleTool<any, any>;

/** True for an instance of {@link BundleTool}, also of another copy of the package. */
export function isBundleTool(tool: AnyTool): tool is AnyBundleTool {
  return (tool as unknown as Record<symbol, unknown>)[BUNDLE_MARK] === true;
}

/** True where the tool has a way of its own to make bundles, and Troupe's supervisor has no part in it. */
export function takesOver(tool: AnyBundleTool): boolean {
  const { execute, executeBundle } = tool as unknown as Record<string, unknown>;
  return !isDefault(execute) || !isDefault(executeBundle);
}

function isDefault(method: unknown): boolean {
  return typeof method === 'function' && DEFAULT_MARK in method;
}

/** True where Troupe's supervisor asks the replicates. */
export function isSupervised(tool: AnyTool): tool is AnyBundleTool {
  return isBundleTool(tool) && !takesOver(tool);
}

/**
 * What a bundle that the tool made by itself supports; undefined where the content is none of that kind.
 *
 * `failed` also where it is no evidence bundle at all, with the problem.
 */
export function ownBundle(
  tool: AnyTool,
  content: JsonValue,
): { readonly status: BundleStatus; readonly problem: string } | undefined {
  if (!isBundleTool(tool) || !takesOver(tool)) return undefined;
  const { evidenceBundle } = (content ?? {}) as { evidenceBundle?: Partial<EvidenceBundle> | null };
  const { replicates, summary } = evidenceBundle ?? {};
  if (!Array.isArray(replicates) || typeof summary !== 'object' || summary === null) {
    const problem =
      'It gave no evidence bundle: an object with a list `replicates` and an object `summary` was expected.';
    return { status: 'failed', problem };
  }
  return { status: statusOf(replicates), problem: `None of its ${replicates.length} replicates is valid.` };
}

/** The calls that such a bundle says it made. */
export function ownCalls(tool: AnyTool, content: JsonValue): number | undefined {
  if (!isBundleTool(tool)) return undefined;
  const { evidenceBundle } = (content ?? {}) as { evidenceBundle?: Partial<EvidenceBundle> | null };
  const calls: unknown = evidenceBundle?.usageTotal?.calls;
  return Number.isSafeInteger(calls) && (calls as number) >= 0 ? (calls as number) : undefined;
}

/** Why the tool cannot make bundles; undefined: it can. */
export function bundleProblem(tool: AnyBundleTool): string | undefined {
  if (takesOver(tool)) return undefined;
  if (typeof tool.replicate !== 'function') {
    return `The bundle tool "${tool.name}" has neither \`replicate\` nor \`executeBundle\`. Give it \`replicate(request, draw, context)\`.`;
  }
  for (const name of ['equivalent', 'shouldStop', 'embed', 'calibrate'] as const) {
    if (tool[name] !== undefined && typeof tool[name] !== 'function') {
      return `\`${name}\` of the bundle tool "${tool.name}" must be a function.`;
    }
  }
  return undefined;
}

/**
 * The schema that `schemaUri` names; undefined where nothing is known under it.
 *
 * @param name what messages call the options.
 * @throws {InvalidOptionsError} for a `data:` URI, or an entry of `schemas`, that holds no schema.
 */
export function schemaAt(
  tool: AnyBundleTool,
  uri: BundleConfig['schemaUri'],
  name = 'toolOptions',
): StandardSchema | undefined {
  if (uri === undefined) return undefined;
  try {
    const { schemas } = tool;
    const known = schemas !== undefined && Object.hasOwn(schemas, uri) ? schemas[uri] : undefined;
    if (isStandardSchema(known)) return known;
    const json: unknown = known ?? (uri.startsWith('data:') ? readDataUri(uri) : undefined);
    return json === undefined ? undefined : z.fromJSONSchema(json as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    throw new InvalidOptionsError(
      `Option \`${name}.schemaUri\` names no usable schema (${uri.slice(0, 80)}): ${describeError(error)}.`,
      { cause: error },
    );
  }
}

/** The JSON in a `data:` URI, RFC 2397. */
function readDataUri(uri: string): unknown {
  const comma = uri.indexOf(',');
  if (comma === -1) throw new TypeError('a `data:` URI has a comma before its data');
  const isBase64 = /;\s*base64\s*$/iu.test(uri.slice(0, comma));
  const data = uri.slice(comma + 1);
  return JSON.parse(isBase64 ? Buffer.from(data, 'base64').toString('utf8') : decodeURIComponent(data));
}
