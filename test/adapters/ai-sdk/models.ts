import { MockLanguageModelV3, convertArrayToReadableStream } from 'ai/test';

type GenerateResult = Extract<
  NonNullable<NonNullable<ConstructorParameters<typeof MockLanguageModelV3>[0]>['doGenerate']>,
  { content: unknown }
>;
type StreamResult = Extract<
  NonNullable<NonNullable<ConstructorParameters<typeof MockLanguageModelV3>[0]>['doStream']>,
  { stream: unknown }
>;
export type StreamPart = StreamResult['stream'] extends ReadableStream<infer Part> ? Part : never;
export type Usage = GenerateResult['usage'];

export const usage = (
  input: number | undefined,
  output: number | undefined,
  details: object = {},
): Usage => ({
  inputTokens: { total: input, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: output, text: undefined, reasoning: undefined },
  ...details,
});

type Reason = GenerateResult['finishReason']['unified'];

/** What a model gives that answers with a text. */
export function answer(
  text: string,
  {
    reason = 'stop',
    raw = reason as string | undefined,
    used = usage(10, 5),
    warnings = [] as object[],
  } = {} as {
    reason?: Reason;
    raw?: string | undefined;
    used?: Usage;
    warnings?: object[];
  },
): GenerateResult {
  return {
    content: text === '' ? [] : [{ type: 'text', text }],
    finishReason: { unified: reason, raw },
    usage: used,
    warnings: warnings as GenerateResult['warnings'],
    response: { id: 'resp-1', modelId: 'mock-2026' },
  };
}

/** The same as a stream, in pieces. */
export function pieces(
  texts: readonly string[],
  {
    reason = 'stop' as Reason,
    raw = reason as string | undefined,
    used = usage(10, 5),
    before = [] as StreamPart[],
  } = {},
): StreamPart[] {
  return [
    { type: 'stream-start', warnings: [] },
    { type: 'response-metadata', id: 'resp-1', modelId: 'mock-2026' },
    { type: 'text-start', id: 't' },
    ...texts.map((delta): StreamPart => ({ type: 'text-delta', id: 't', delta })),
    { type: 'text-end', id: 't' },
    ...before,
    { type: 'finish', finishReason: { unified: reason, raw }, usage: used },
  ];
}

type Step<T> = T | Error | ((options: CallOptions) => T | Promise<T>);
export type CallOptions = Parameters<MockLanguageModelV3['doGenerate']>[0];

/** A model that goes through its script, and stays at the last of it. */
export function scripted(
  steps: readonly Step<GenerateResult>[],
  streams: readonly Step<StreamPart[]>[] = [],
  { provider = 'acme.chat', modelId = 'acme-1' } = {},
) {
  const next = async <T>(script: readonly Step<T>[], count: number, options: CallOptions): Promise<T> => {
    const step = script[Math.min(count, script.length) - 1];
    if (step === undefined) throw new Error('no such step in the script');
    if (step instanceof Error) throw step;
    return typeof step === 'function' ? (step as (options: CallOptions) => T)(options) : step;
  };
  const model: MockLanguageModelV3 = new MockLanguageModelV3({
    provider,
    modelId,
    doGenerate: (options) => next(steps, model.doGenerateCalls.length, options),
    doStream: async (options) => ({
      stream: convertArrayToReadableStream(await next(streams, model.doStreamCalls.length, options)),
    }),
  });
  return model;
}

/** What the model was told: the texts of its prompt, by role. */
export function told({ prompt }: CallOptions): [string, string][] {
  return prompt.map(({ role, content }) => [
    role,
    typeof content === 'string'
      ? content
      : content.map((part) => (part.type === 'text' ? part.text : part.type)).join(' '),
  ]);
}
