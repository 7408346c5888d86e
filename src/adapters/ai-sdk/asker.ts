import { createHash } from 'node:crypto';
import { asSchema, type LanguageModel } from 'ai';
import {
  toolResult,
  type Estimate,
  type ReportedUsage,
  type StandardSchema,
  type ToolContext,
  type ToolResult,
} from '../../index.js';
import { estimateCall } from './estimate.js';
import { generate, type AnswerForm, type Generated } from './generate.js';
import { judge } from './judge.js';
import { ModelError } from './model-error.js';
import { costOf, type Prices } from './prices.js';
import { promptIn, promptProblem, systemIn, type ModelPrompt } from './prompt.js';
import { settingsOf, type ModelSettings } from './settings.js';
import { readTokens, type Tokens } from './tokens.js';

export interface AskerOptions {
  readonly name: string;
  readonly model: LanguageModel;
  readonly instructions?: string;
  readonly allowSystemInMessages?: boolean;
  readonly prompt?: ((request: any) => ModelPrompt) | undefined;
  readonly schema?: StandardSchema<any, any> | undefined;
  readonly schemaName?: string;
  readonly schemaDescription?: string;
  readonly onLength?: 'error' | 'return' | undefined;
  readonly prices?: Prices;
  readonly estimate?: ((request: any, settings: ModelSettings) => Estimate | undefined) | undefined;
  readonly idempotencyHeader?: string | false;
}

/** Asks one model: the part that tools and bundles share. */
export class Asker {
  readonly #options: AskerOptions;
  readonly #own: ModelSettings;
  readonly #form: AnswerForm | undefined;
  readonly #modelId: string;
  #schemaText: string | undefined;

  constructor(options: AskerOptions, own: ModelSettings) {
    this.#options = options;
    this.#own = own;
    const { model, schema, schemaName: name, schemaDescription: description } = options;
    this.#form = schema && { schema, name, description };
    this.#modelId = typeof model === 'string' ? model : model.modelId;
  }

  /**
   * One answer.
   *
   * @param given settings that beat the tool's own.
   * @throws {ModelError} {InvalidOptionsError}
   */
  async ask(request: unknown, given: unknown, context: ToolContext): Promise<ToolResult<any>> {
    const { model, instructions, allowSystemInMessages = false, onLength = 'error' } = this.#options;
    const settings = this.#withKey(settingsOf(this.#own, given), context.idempotencyKey);
    const prompt = this.#promptOf(request);
    const system = allowSystemInMessages ? undefined : systemIn(prompt);
    if (system !== undefined) throw new ModelError('call_failed', system, { category: 'validation' });
    const form = this.#form;
    const generated = await generate({
      model,
      prompt,
      instructions,
      allowSystemInMessages,
      form,
      settings,
      context,
    });
    const tokens = readTokens(generated.usage);
    const usage = tokens && this.#usageOf(tokens, generated, context);
    for (const warning of generated.warnings) context.emit({ type: 'warning', message: textOf(warning) });
    const content = judge(generated, usage, { onLength, wantsObject: form !== undefined, context });
    return toolResult({
      content,
      ...(usage ? { usage } : {}),
      metadata: metadataOf(generated, tokens, this.#modelId, settings),
    });
  }

  /** What a call reserves. */
  estimate(request: unknown, given: unknown): Estimate | undefined {
    const settings = settingsOf(this.#own, given);
    const { estimate, instructions, prices } = this.#options;
    if (estimate) return estimate(request, settings);
    return estimateCall({
      prompt: this.#promptOf(request),
      instructions,
      schemaText: this.#textOfSchema(),
      maxOutputTokens: settings.maxOutputTokens,
      modelId: this.#modelId,
      prices,
    });
  }

  #promptOf(request: unknown): ModelPrompt {
    const { prompt: build } = this.#options;
    let prompt: unknown;
    try {
      prompt = build ? build(request) : promptIn(request);
    } catch (cause) {
      // A fault of the program before any call: nothing was used.
      const message = `\`prompt\` of "${this.#options.name}" threw: ${textOf(cause)}`;
      const usage = { inputTokens: 0, outputTokens: 0, costUsd: 0 };
      throw new ModelError('call_failed', message, { category: 'local', usage, cause });
    }
    const problem = promptProblem(prompt);
    if (problem === undefined) return prompt as ModelPrompt;
    const message = `"${this.#options.name}" has nothing to ask its model: ${problem}.`;
    throw new ModelError('call_failed', message, { category: 'validation' });
  }

  /** A header of the caller's own stays. */
  #withKey(settings: ModelSettings, key: string): ModelSettings {
    const { idempotencyHeader: name = 'idempotency-key' } = this.#options;
    if (name === false) return settings;
    const { headers = {} } = settings;
    if (Object.keys(headers).some((each) => each.toLowerCase() === name.toLowerCase())) return settings;
    return { ...settings, headers: { ...headers, [name]: headerValue(key) } };
  }

  #usageOf(tokens: Tokens, { modelId, usage }: Generated, { emit }: ToolContext): ReportedUsage {
    const { inputTokens, outputTokens, totalTokens } = tokens;
    let costUsd: number | undefined;
    try {
      const requestedModelId = this.#modelId;
      costUsd = costOf(this.#options.prices, {
        modelId: modelId ?? requestedModelId,
        requestedModelId,
        tokens,
        raw: usage?.raw,
        isEstimate: false,
      });
    } catch (error) {
      // The answer is there and paid: it must not be lost for its price.
      emit({ type: 'warning', message: `\`prices\` of "${this.#options.name}" threw: ${textOf(error)}` });
    }
    return { inputTokens, outputTokens, totalTokens, ...(costUsd === undefined ? {} : { costUsd }) };
  }

  #textOfSchema(): string {
    if (this.#form === undefined) return '';
    if (this.#schemaText === undefined) {
      const schema: unknown = asSchema(this.#form.schema as never).jsonSchema;
      // Where it comes later, the margin must do.
      this.#schemaText =
        typeof (schema as PromiseLike<unknown>).then === 'function' ? '' : JSON.stringify(schema);
    }
    return this.#schemaText;
  }
}

/** What callers of the tool find under `metadata.tool`. */
function metadataOf(
  generated: Generated,
  tokens: Tokens | undefined,
  requested: string,
  { temperature }: ModelSettings,
): Record<string, unknown> {
  const { finishReason, rawFinishReason, modelId = requested, responseId } = generated;
  return { modelId, responseId, finishReason, rawFinishReason, tokens, temperature };
}

function headerValue(key: string): string {
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : createHash('sha256').update(key).digest('hex');
}

/** The key of the breaker that calls of a model share. */
export function providerNameOf(model: LanguageModel): string {
  if (typeof model !== 'string') return model.provider;
  const slash = model.indexOf('/');
  return slash > 0 ? model.slice(0, slash) : 'gateway';
}

function textOf(warning: unknown): string {
  if (warning instanceof Error) return warning.message;
  const { message, type, feature, details } = (warning ?? {}) as Record<string, unknown>;
  if (typeof message === 'string') return message;
  const what = [type, feature, details].filter((part) => typeof part === 'string');
  return what.length > 0 ? `The model's provider says: ${what.join(', ')}.` : String(warning);
}
