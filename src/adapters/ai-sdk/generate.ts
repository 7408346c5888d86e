import { generateText, NoObjectGeneratedError, type LanguageModel, type LanguageModelUsage } from 'ai';
import type { StandardSchema, ToolContext } from '../../index.js';
import { argumentsOf, objectIn } from './arguments.js';
import type { ModelPrompt } from './prompt.js';
import { readStream } from './read-stream.js';
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

/** The SDK throws where the text is no JSON, with all that is known of the answer. */
function takeUnparsed(generated: Generated, error: NoObjectGeneratedError): void {
  generated.text ||= error.text ?? '';
  generated.finishReason ??= error.finishReason ?? 'stop';
  generated.usage ??= error.usage;
  generated.modelId ??= error.response?.modelId;
  generated.responseId ??= error.response?.id;
}
