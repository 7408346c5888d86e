import { streamText, type TextStreamPart } from 'ai';
import { argumentsOf, objectIn } from './arguments.js';
import type { Generated, ModelCall } from './generate.js';

/** How long the rest of a stream is read after an error in it: what it used comes at its end. */
const REST_MS = 1000;

/** Asks for a stream, emits its pieces, and puts together what came. */
export async function readStream(call: ModelCall, generated: Generated): Promise<void> {
  const { signal, clock, emit } = call.context;
  const stop = new AbortController();
  const result = streamText({
    ...argumentsOf(call),
    abortSignal: AbortSignal.any([signal, stop.signal]),
    // The default prints it; it is in the stream as well.
    onError: () => {},
  });
  const parts = result.fullStream[Symbol.asyncIterator]();
  let timer: unknown;
  let leave!: () => void;
  const left = new Promise<void>((resolve) => (leave = resolve));
  const read = async (): Promise<void> => {
    for (;;) {
      const next = await parts.next();
      if (next.done) return;
      take(generated, next.value, emit);
      if (generated.failure) timer ??= clock.setTimeout(leave, REST_MS);
    }
  };
  signal.addEventListener('abort', leave);
  try {
    // A model's stream that ignores its signal is left as well.
    await Promise.race([read(), left]);
  } finally {
    signal.removeEventListener('abort', leave);
    clock.clearTimeout(timer);
    stop.abort();
    Promise.resolve(parts.return?.()).catch(() => {});
  }
  if (call.form && !generated.failure && generated.finishReason !== undefined) {
    generated.object = await objectIn(() => result.output);
  }
}

function take(generated: Generated, part: TextStreamPart<any>, emit: ModelCall['context']['emit']): void {
  switch (part.type) {
    case 'text-delta':
      generated.text += part.text;
      if (!generated.failure && part.text !== '') emit({ type: 'delta', text: part.text });
      break;
    case 'start-step':
      generated.warnings = part.warnings ?? [];
      break;
    case 'finish-step': {
      const { finishReason, rawFinishReason, usage, response } = part;
      const { modelId, id: responseId } = response;
      Object.assign(generated, { finishReason, rawFinishReason, usage, modelId, responseId });
      break;
    }
    case 'error':
      generated.failure ??= { error: part.error };
      break;
  }
}
