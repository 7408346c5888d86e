import type { LanguageModel } from 'ai';
import * as z from 'zod';
import { InvalidOptionsError, parseOptions, type Estimate, type StandardSchema } from '../../index.js';
import { isModelPrices, type Prices } from './prices.js';
import type { ModelPrompt } from './prompt.js';
import { settingsShape, type ModelSettings } from './settings.js';

/** What {@link modelTool} and {@link modelBundle} have in common. */
export interface CommonOptions<Name extends string> extends ModelSettings {
  readonly name: Name;
  /** A model object of a provider package, or whatever else the SDK takes as `model`. */
  readonly model: LanguageModel;
  /** Default '1.0.0'. Raise it with the prompt: it is part of the idempotency fingerprint. */
  readonly version?: string;
  readonly description?: string;
  readonly capabilities?: readonly string[];
  /** Key of its breaker, pool and retry budget. Default: the model's provider, `openai.chat` for one. */
  readonly provider?: string;
  /** What the model is told before each request (the system prompt). */
  readonly instructions?: string;
  /**
   * Whether a request, or `prompt`, may bring messages of the role `system`. Default false: such a call fails as `validation`.
   * Who may write those tells the model what to do.
   */
  readonly allowSystemInMessages?: boolean;
  /** A name for the object, which some providers pass to the model. */
  readonly schemaName?: string;
  readonly schemaDescription?: string;
  /** What calls cost. Default: not known, and not reported. */
  readonly prices?: Prices;
  /**
   * The header the idempotency key goes into, or false for none. Default 'idempotency-key'. A key that fits no header is
   * sent as its SHA-256.
   */
  readonly idempotencyHeader?: string | false;
  /** False: called again only after errors known to precede execution. Default true. */
  readonly idempotent?: boolean;
  /** True: a call may be made again although a part of its answer was already shown. Default false. */
  readonly replayable?: boolean;
}

/** For requests of your own. */
export interface Prompting<In extends StandardSchema<any, any>, Req> {
  /** Validates the request, and gives what `prompt` gets. */
  readonly input?: In;
  /** Makes the prompt. Called more than once for a call, so it must always give the same, and do nothing else. */
  readonly prompt: (request: Req) => ModelPrompt;
}

/** For requests of the default forms. */
export interface NoPrompting {
  readonly input?: undefined;
  readonly prompt?: undefined;
}

export type EstimateFunction<Req> = (request: Req, settings: ModelSettings) => Estimate | undefined;

const callback = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);
const standardSchema = z.custom<StandardSchema>((value) => {
  const standard = (value as Partial<StandardSchema> | undefined)?.['~standard'];
  return typeof standard?.validate === 'function';
}, 'must be a Standard Schema');
const model = z.custom<LanguageModel>(
  (value) => (typeof value === 'string' && value !== '') || isModel(value),
  'must be a language model of the AI SDK',
);

const price = z.number().min(0);
const modelPrices = z.strictObject({
  inputPerMillion: price,
  outputPerMillion: price,
  cachedInputPerMillion: price.optional(),
  cacheWritePerMillion: price.optional(),
  reasoningPerMillion: price.optional(),
});
const priceTable = z.record(z.string(), modelPrices);

export const commonShape = {
  ...settingsShape,
  name: z.string(),
  model,
  version: z.string().optional(),
  description: z.string().optional(),
  capabilities: z.array(z.string()).optional(),
  provider: z.string().min(1).optional(),
  instructions: z.string().optional(),
  allowSystemInMessages: z.boolean().optional(),
  input: standardSchema.optional(),
  prompt: callback.optional(),
  schema: standardSchema.optional(),
  schemaName: z.string().optional(),
  schemaDescription: z.string().optional(),
  onLength: z.enum(['error', 'return']).optional(),
  prices: z.unknown().optional(),
  estimate: callback.optional(),
  idempotencyHeader: z
    .union([z.string().regex(/^[\w-]+$/, 'must be the name of a header'), z.literal(false)])
    .optional(),
  idempotent: z.boolean().optional(),
  replayable: z.boolean().optional(),
};

/**
 * Checks the options of a tool once, when it is made.
 *
 * @throws {InvalidOptionsError} naming option, rule and value.
 */
export function checkOptions(schema: z.ZodType, options: unknown, name: string): void {
  parseOptions(schema, options, name);
  const {
    prices,
    onLength,
    schema: form,
  } = options as {
    prices?: unknown;
    onLength?: string;
    schema?: unknown;
  };
  if (prices !== undefined && typeof prices !== 'function') {
    const isOne = typeof prices === 'object' && prices !== null && isModelPrices(prices);
    parseOptions<unknown>(isOne ? modelPrices : priceTable, prices, `${name}.prices`);
  }
  if (onLength === 'return' && form !== undefined) {
    throw new InvalidOptionsError(
      `Option \`${name}.onLength\` is not valid: an object that was cut off is none; with \`schema\` it must be "error"; got "return".`,
    );
  }
}

function isModel(value: unknown): boolean {
  const { doGenerate, doStream } = (value ?? {}) as { doGenerate?: unknown; doStream?: unknown };
  return typeof doGenerate === 'function' && typeof doStream === 'function';
}
