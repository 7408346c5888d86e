import { asSchema, jsonSchema, tool as aiTool, type FlexibleSchema, type Tool as AiTool } from 'ai';
import * as z from 'zod';
import {
  InvalidOptionsError,
  type Orchestrator,
  orThrow,
  parseOptions,
  type AnyTool,
  type ContentOf,
  type OptionsOf,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type RequestOf,
  type StandardSchema,
} from '../../index.js';

interface CommonAiToolOptions<Content, Result> {
  /** What the model is told the tool is for. Default: the tool's own description. */
  readonly description?: string;
  /** Options of each run. */
  readonly options?: OrchestrationOptions;
  /** What the model gets of a run that gave an answer. Default: the content. */
  readonly result?: (content: Content, output: OrchestrationOutput<Content>) => Result;
}

export interface AiToolOptions<T extends AnyTool, Result> extends CommonAiToolOptions<ContentOf<T>, Result> {
  readonly tool: T;
  /** What the model gives. Default: the tool's `input`. */
  readonly inputSchema?: FlexibleSchema<RequestOf<T>>;
  readonly toolOptions?: Partial<OptionsOf<T>>;
}

export interface NamedAiToolOptions<Input, Result> extends CommonAiToolOptions<unknown, Result> {
  readonly toolName: string;
  /** What the model gives. */
  readonly inputSchema: FlexibleSchema<Input>;
  readonly toolOptions?: Record<string, unknown>;
}

const schema = z.strictObject({
  tool: z.custom<AnyTool>().optional(),
  toolName: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.unknown().optional(),
  toolOptions: z.record(z.string(), z.unknown()).optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  result: z.custom<() => unknown>((value) => typeof value === 'function', 'must be a function').optional(),
});

/**
 * A tool of the AI SDK for `generateText({ tools })` whose calls are runs of an orchestrator: with its retries, breakers and budgets,
 * and cancelled by the SDK's signal.
 *
 * A run that fails makes `execute` throw the run's error. The SDK then tells the model that the tool failed, with the error's message,
 * and goes on: a text returned in its place would look like an answer.
 *
 * @throws {InvalidOptionsError} for an unknown or unusable option, or where nothing says what the model has to give.
 */
export function asAiTool<T extends AnyTool, Result = ContentOf<T>>(
  orchestrator: Orchestrator<any>,
  options: AiToolOptions<T, Result>,
): AiTool<RequestOf<T>, Result>;
export function asAiTool<Input, Result = unknown>(
  orchestrator: Orchestrator<any>,
  options: NamedAiToolOptions<Input, Result>,
): AiTool<Input, Result>;
export function asAiTool(
  orchestrator: Orchestrator<any>,
  given: Partial<AiToolOptions<AnyTool, unknown>> & { readonly toolName?: string },
): unknown {
  if (typeof (orchestrator as Partial<Orchestrator> | undefined)?.run !== 'function') {
    throw new InvalidOptionsError('`asAiTool` takes an orchestrator: `asAiTool(orchestrator, { tool })`.');
  }
  parseOptions(schema, given, 'asAiTool');
  const { tool, toolName, options, toolOptions, result } = given;
  if ((tool === undefined) === (toolName === undefined)) {
    throw new InvalidOptionsError('`asAiTool` takes either `tool` or `toolName`.');
  }
  const name = tool?.name ?? toolName!;
  const inputSchema = given.inputSchema ?? tool?.input;
  if (inputSchema === undefined) {
    throw new InvalidOptionsError(
      `Nothing says what a model gives to "${name}". Give \`asAiTool.inputSchema\`, or the tool an \`input\`.`,
    );
  }
  const description = given.description ?? (tool?.description || undefined);
  const called = tool ? { tool } : { toolName: toolName! };
  return aiTool({
    ...(description === undefined ? {} : { description }),
    inputSchema: asItCame(inputSchema as FlexibleSchema<unknown>),
    async execute(request: unknown, { abortSignal }: { abortSignal?: AbortSignal }) {
      const output = await orchestrator.run({
        ...called,
        request,
        ...(toolOptions === undefined ? {} : { toolOptions }),
        ...(options === undefined ? {} : { options }),
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      } as { tool: AnyTool; request: unknown });
      const content: unknown = orThrow(output);
      return result ? result(content, output) : content;
    },
  });
}

/** The SDK checks what the model gives, but passes it on as it came: Troupe applies the tool's `input` itself, once. */
function asItCame(given: FlexibleSchema<unknown>): FlexibleSchema<unknown> {
  const known = asSchema(given);
  const standard = (given as Partial<StandardSchema>)['~standard'];
  return jsonSchema<unknown>(() => known.jsonSchema, {
    async validate(value) {
      const result = standard ? await standard.validate(value) : undefined;
      const problem = result?.issues?.map(({ message }) => message).join('; ');
      if (problem !== undefined) return { success: false, error: new Error(problem) };
      const checked = standard ? undefined : await known.validate?.(value);
      return checked?.success === false ? checked : { success: true, value };
    },
  });
}
