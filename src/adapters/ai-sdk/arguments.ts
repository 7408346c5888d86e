import { asSchema, jsonSchema, Output, type ModelMessage } from 'ai';
import type { AnswerForm, ModelCall } from './generate.js';

/** What both functions of the SDK are called with. */
export function argumentsOf(call: ModelCall) {
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

/** Undefined where there is none: the SDK throws then, for more than one reason, and the finish reason says which. */
export async function objectIn(read: () => unknown): Promise<unknown> {
  try {
    return await read();
  } catch {
    return undefined;
  }
}
