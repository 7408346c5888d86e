import {
  asSchema,
  generateText,
  jsonSchema,
  NoObjectGeneratedError,
  Output,
  streamText,
  type LanguageModel,
  type LanguageModelUsage,
  type ModelMessage,
} from 'ai';
import type { Clock, StandardSchema, ToolContext } from '../../index.js';
import type { ModelPrompt } from './prompt.js';
import type { ModelSettings } from './settings.js';

/** One call of a model, all settled but the answer. */
export interface ModelCall {
  readonly model: LanguageModel;
  readonly prompt: ModelPrompt;
  readonly instructions: string | undefined;
  readonly allowSystemInMessages: boolean;
  readonly form: AnswerForm | undefined;
  readonly settings: ModelSettings;
  readonly context: ToolContext;
}

/** What an answer must look like. */
export interface AnswerForm {
  readonly schema: StandardSchema<any, any>;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
}

/** What came back, not judged yet. */
export interface Generated {
  text: string;
  /** The JSON in the text, where an object was asked for and there is one. */
  object?: unknown;
  finishReason?: string;
  rawFinishReason?: string | undefined;
  usage?: LanguageModelUsage | undefined;
  modelId?: string | undefined;
  responseId?: string | undefined;
  warnings: readonly unknown[];
  /** What broke it; then the rest is what had come until then. */
  failure?: { readonly error: unknown };
}

/** How long the rest of a stream is read after an error in it: what it used comes at its end. */
const REST_MS = 1000;

/** Asks the model once, as a stream where the run streams. It never rejects. */
export async function generate(call: ModelCall): Promise<Generated> {
  const generated: Generated = { text: '', warnings: [] };
  try {
    await (call.context.streaming ? readStream(call, generated) : readWhole(call, generated));
  } catch (error) {
    if (NoObjectGeneratedError.isInstance(error)) takeUnparsed(generated, error);
    else generated.failure ??= { error };
  }
  return generated;
}

async function readWhole(call: ModelCall, generated: Generated): Promise<void> {
  const result = await generateText({ ...argumentsOf(call), abortSignal: call.context.signal });
  const { text, finishReason, rawFinishReason, usage, response } = result;
  const { modelId, id: responseId } = response;
  const warnings = result.warnings ?? [];
  Object.assign(generated, { text, finishReason, rawFinishReason, usage, modelId, responseId, warnings });
  if (call.form) generated.object = await objectIn(() => result.output);
}

/** Undefined where there is none: the SDK throws then, for more than one reason, and the finish reason says which. */
async function objectIn(read: () => unknown): Promise<unknown> {
  try {
    return await read();
  } catch {
    return undefined;
  }
}

/** The SDK throws where the text is no JSON, with all that is known of the answer. */
function takeUnparsed(generated: Generated, error: NoObjectGeneratedError): void {
  generated.text ||= error.text ?? '';
  generated.finishReason ??= error.finishReason ?? 'stop';
  generated.usage ??= error.usage;
  generated.modelId ??= error.response?.modelId;
  generated.responseId ??= error.response?.id;
}

async function readStream(call: ModelCall, generated: Generated): Promise<void> {
  const { signal, clock, emit } = call.context;
  const stop = new AbortController();
  const result = streamText({
    ...argumentsOf(call),
    abortSignal: AbortSignal.any([signal, stop.signal]),
    // The default prints it; it is in the stream as well.
    onError: () => {},
  });
  const parts = result.fullStream[Symbol.asyncIterator]();
  let deadline: Deadline | undefined;
  try {
    for (;;) {
      const next = parts.next();
      const read = await (deadline ? Promise.race([next, deadline.passed]) : next);
      if (read === undefined) {
        // Nobody waits for it any more.
        next.catch(() => {});
        break;
      }
      if (read.done) break;
      const part = read.value;
      if (part.type === 'text-delta') {
        generated.text += part.text;
        if (!generated.failure && part.text !== '') emit({ type: 'delta', text: part.text });
      } else if (part.type === 'start-step') {
        generated.warnings = part.warnings ?? [];
      } else if (part.type === 'finish-step') {
        const { finishReason, rawFinishReason, usage, response } = part;
        const { modelId, id: responseId } = response;
        Object.assign(generated, { finishReason, rawFinishReason, usage, modelId, responseId });
      } else if (part.type === 'error') {
        generated.failure ??= { error: part.error };
        deadline ??= new Deadline(clock, REST_MS);
      }
    }
  } finally {
    deadline?.cancel();
    stop.abort();
  }
  if (call.form && !generated.failure && generated.finishReason !== undefined) {
    generated.object = await objectIn(() => result.output);
  }
}

class Deadline {
  readonly passed: Promise<undefined>;
  readonly #timer: unknown;
  readonly #clock: Clock;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    let timer: unknown;
    this.passed = new Promise((resolve) => {
      timer = clock.setTimeout(() => resolve(undefined), ms);
    });
    this.#timer = timer;
  }

  cancel(): void {
    this.#clock.clearTimeout(this.#timer);
  }
}

function argumentsOf(call: ModelCall) {
  const { model, prompt, instructions, allowSystemInMessages, form, settings } = call;
  const { stopSequences, headers, providerOptions, ...numbers } = settings;
  return {
    model,
    // Troupe retries: two owners would multiply.
    maxRetries: 0,
    allowSystemInMessages,
    ...(typeof prompt === 'string' ? { prompt } : { messages: [...prompt] as ModelMessage[] }),
    // Version 7 has another name for it and takes this one too.
    ...(instructions === undefined ? {} : { system: instructions }),
    ...numbers,
    ...(stopSequences ? { stopSequences: [...stopSequences] } : {}),
    ...(headers ? { headers: { ...headers } } : {}),
    ...(providerOptions ? { providerOptions: providerOptions as Record<string, any> } : {}),
    ...(form ? { output: outputOf(form) } : {}),
  };
}

/**
 * The model is told the schema; the answer is not held against it here, as Troupe does that with the tool's `output`,
 * and a schema that transforms must not be applied twice.
 */
function outputOf({ schema, name, description }: AnswerForm) {
  const output = Output.object({
    schema: jsonSchema<unknown>(() => asSchema(schema as never).jsonSchema),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  });
  return {
    ...output,
    // Called with each piece: the SDK's own would parse all that came so far each time, and hold back what adds no value.
    parsePartialOutput: async ({ text }: { text: string }) => ({ partial: text.length as never }),
  };
}
