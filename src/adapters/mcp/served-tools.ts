import * as z from 'zod';
import {
  BundleTool,
  InvalidOptionsError,
  parseOptions,
  Tool,
  type AnyTool,
  type JsonObject,
  type OrchestrationOptions,
  type StandardSchema,
} from '../../index.js';
import type { McpToolAnnotations } from './serve-options.js';
import { clip } from './options.js';

/** A tool to serve, where it alone does not say enough. */
export interface ServedTool {
  tool: AnyTool;
  /** Default: the tool's, where MCP does not allow a character `_` instead. */
  name?: string;
  /** For people to read. */
  title?: string;
  /** Default: the tool's. */
  description?: string;
  /** JSON Schema of the arguments, of type object. Default: made of the tool's `input`. */
  inputSchema?: JsonObject;
  /** Beat what the tool's `idempotent` says. */
  annotations?: McpToolAnnotations;
  /** The tool's options, which no client can set. */
  toolOptions?: JsonObject;
}

/** A tool as it is listed and called. */
export interface Offer {
  readonly tool: AnyTool;
  readonly toolOptions: JsonObject | undefined;
  /** The input of the tool is no object: clients give it as the argument `input`. */
  readonly isWrapped: boolean;
  readonly listed: {
    readonly name: string;
    readonly title?: string;
    readonly description?: string;
    readonly inputSchema: { readonly type: 'object'; readonly [key: string]: unknown };
    readonly outputSchema?: { readonly type: 'object'; readonly [key: string]: unknown };
    readonly annotations: McpToolAnnotations;
  };
}

const servedSchema = z.strictObject({
  tool: z.custom<AnyTool>(isTool, 'must be a Troupe tool'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be 1 to 128 letters, digits, "_", "-" or "."')
    .optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.looseObject({ type: z.literal('object') }).optional(),
  annotations: z
    .strictObject({
      title: z.string().optional(),
      readOnlyHint: z.boolean().optional(),
      destructiveHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
      openWorldHint: z.boolean().optional(),
    })
    .optional(),
  toolOptions: z.record(z.string(), z.unknown()).optional(),
});

/** @throws {InvalidOptionsError} */
export function makeOffers(
  tools: readonly (AnyTool | ServedTool)[],
  options: OrchestrationOptions | undefined,
  of: string,
): Map<string, Offer> {
  const offers = new Map<string, Offer>();
  for (const [index, given] of tools.entries()) {
    if (typeof given === 'string') {
      throw new InvalidOptionsError(
        `Option \`${of}.tools\` takes tools, or { tool, name, ... }, and no names: got "${String(given)}".`,
      );
    }
    const served = isTool(given) ? { tool: given } : given;
    const parsed = parseOptions(servedSchema, served, `${of}.tools.${index}`) as ServedTool;
    const offer = makeOffer(parsed, options);
    const { name } = offer.listed;
    if (offers.has(name)) {
      throw new InvalidOptionsError(
        `Option \`${of}.tools\` has two tools named "${name}". Give one another name: { tool, name }.`,
      );
    }
    offers.set(name, offer);
  }
  return offers;
}

function makeOffer(served: ServedTool, options: OrchestrationOptions | undefined): Offer {
  const { tool, title } = served;
  const description = served.description ?? tool.description;
  const input = served.inputSchema ?? jsonSchemaOf(tool.input, 'input');
  const isWrapped = input?.type !== undefined && input.type !== 'object';
  // What a fallback answers, and what a bundle is made of, is not what the tool's own `output` describes.
  const hasOwnOutput = !(tool instanceof BundleTool) && options?.fallback === undefined;
  const output = hasOwnOutput ? jsonSchemaOf(tool.output, 'output') : undefined;
  return {
    tool,
    toolOptions: served.toolOptions,
    isWrapped,
    listed: {
      name: served.name ?? tool.name.replaceAll(/[^A-Za-z0-9_.-]/g, '_'),
      ...(title === undefined ? {} : { title }),
      ...(description === undefined || description === '' ? {} : { description }),
      inputSchema: isWrapped
        ? { type: 'object', properties: { input }, required: ['input'] }
        : { ...input, type: 'object' },
      ...(output?.type === 'object' ? { outputSchema: { ...output, type: 'object' } } : {}),
      annotations: { idempotentHint: tool.idempotent !== false, ...served.annotations },
    },
  };
}

/** As the schema's library says, and for zod also where a part of it has no JSON Schema. Undefined: anything goes. */
function jsonSchemaOf(schema: StandardSchema | undefined, io: 'input' | 'output'): JsonObject | undefined {
  if (schema === undefined) return undefined;
  const standard = schema['~standard'] as StandardSchema['~standard'] & {
    jsonSchema?: Partial<Record<typeof io, (options: { target: string }) => JsonObject>>;
  };
  const ways = [
    () => standard.jsonSchema?.[io]?.({ target: 'draft-2020-12' }),
    () =>
      standard.vendor === 'zod'
        ? (z.toJSONSchema(schema as unknown as z.ZodType, { io, unrepresentable: 'any' }) as JsonObject)
        : undefined,
  ];
  for (const way of ways) {
    try {
      const found = way();
      if (found !== undefined) return found;
    } catch {
      // The next way may do.
    }
  }
  return undefined;
}

/** The problem with a call's arguments, or what to run the tool with. */
export async function readArguments(
  offer: Offer,
  args: Record<string, unknown>,
): Promise<{ request: unknown } | { problem: string }> {
  const request = offer.isWrapped ? args.input : args;
  if (request === undefined) return { problem: '`input` is missing' };
  const { input } = offer.tool;
  if (input === undefined) return { request };
  try {
    const { issues } = await input['~standard'].validate(request);
    if (issues === undefined) return { request };
    const told = issues.slice(0, 10).map((issue) => {
      const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
      return path.length === 0 ? issue.message : `${path.join('.')}: ${issue.message}`;
    });
    return { problem: clip(told.join('; '), 2000) };
  } catch {
    return { problem: 'they could not be checked' };
  }
}

function isTool(value: unknown): value is AnyTool {
  return value instanceof Tool;
}
