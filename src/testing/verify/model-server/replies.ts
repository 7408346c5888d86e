import type { JsonValue } from '../../../core/json.js';

/** The APIs the server speaks; of any other it knows nothing but that it takes JSON. */
export type Dialect = 'chat' | 'responses' | 'messages' | 'other';

export function dialectOf(path: string): Dialect {
  if (path.endsWith('/chat/completions')) return 'chat';
  if (path.endsWith('/responses')) return 'responses';
  if (path.endsWith('/messages')) return 'messages';
  return 'other';
}

const TOKENS = { input: 12, output: 8 };

/** A whole answer, as the API gives it in one piece. */
export function wholeReply(dialect: Dialect, text: string): JsonValue {
  switch (dialect) {
    case 'chat':
      return {
        id: 'chatcmpl-verify',
        object: 'chat.completion',
        created: 1_700_000_000,
        model: 'verify',
        choices: [
          { index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop', logprobs: null },
        ],
        usage: { prompt_tokens: TOKENS.input, completion_tokens: TOKENS.output, total_tokens: 20 },
      };
    case 'responses':
      return responsesReply(text, 'completed');
    case 'messages':
      return {
        id: 'msg_verify',
        type: 'message',
        role: 'assistant',
        model: 'verify',
        content: [{ type: 'text', text }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: TOKENS.input, output_tokens: TOKENS.output },
      };
    case 'other':
      return { ok: true, text };
  }
}

function responsesReply(text: string, status: string): JsonValue {
  return {
    id: 'resp_verify',
    object: 'response',
    created_at: 1_700_000_000,
    status,
    model: 'verify',
    output: [
      {
        type: 'message',
        id: 'msg_verify',
        status,
        role: 'assistant',
        content: [{ type: 'output_text', text, annotations: [] }],
      },
    ],
    output_text: text,
    usage: { input_tokens: TOKENS.input, output_tokens: TOKENS.output, total_tokens: 20 },
  };
}

/** A whole answer as server-sent events, in the order the API sends them; the last ones say that it is whole. */
export function streamedReply(dialect: Dialect, text: string): string[] {
  const parts = text.match(/.{1,8}/gsu) ?? [''];
  switch (dialect) {
    case 'chat': {
      const chunk = (delta: JsonValue, finish: string | null) => ({
        id: 'chatcmpl-verify',
        object: 'chat.completion.chunk',
        created: 1_700_000_000,
        model: 'verify',
        choices: [{ index: 0, delta, finish_reason: finish }],
      });
      return [
        ...parts.map((content) => sse(chunk({ role: 'assistant', content }, null))),
        sse({
          ...chunk({}, 'stop'),
          usage: { prompt_tokens: TOKENS.input, completion_tokens: TOKENS.output, total_tokens: 20 },
        }),
        'data: [DONE]\n\n',
      ];
    }
    case 'responses':
      return [
        named({ type: 'response.created', response: responsesReply('', 'in_progress') }),
        ...parts.map((delta) =>
          named({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta }),
        ),
        named({ type: 'response.output_text.done', output_index: 0, content_index: 0, text }),
        named({ type: 'response.completed', response: responsesReply(text, 'completed') }),
      ];
    case 'messages':
      return [
        named({
          type: 'message_start',
          message: {
            ...(wholeReply('messages', '') as { [key: string]: JsonValue }),
            content: [],
            stop_reason: null,
          },
        }),
        named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
        ...parts.map((part) =>
          named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: part } }),
        ),
        named({ type: 'content_block_stop', index: 0 }),
        named({
          type: 'message_delta',
          delta: { stop_reason: 'end_turn', stop_sequence: null },
          usage: { output_tokens: TOKENS.output },
        }),
        named({ type: 'message_stop' }),
      ];
    case 'other':
      return [...parts.map((part) => sse({ text: part })), 'data: [DONE]\n\n'];
  }
}

function sse(data: JsonValue): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function named(data: { type: string; [key: string]: JsonValue }): string {
  return `event: ${data.type}\n${sse(data)}`;
}

/** The body of a refusal, as the API words it. */
export function errorReply(dialect: Dialect, status: number): JsonValue {
  const [type, message] = ERRORS[status] ?? ['server_error', 'The server had an error.'];
  if (dialect === 'messages') return { type: 'error', error: { type, message } };
  return { error: { message, type, code: null, param: null } };
}

const ERRORS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  401: ['authentication_error', 'The API key is not valid.'],
  429: ['rate_limit_error', 'Too many requests.'],
  500: ['api_error', 'Internal server error.'],
};

/** The last thing the user said, in whatever form the request has. */
export function questionIn(body: unknown): string {
  const { messages, input, prompt } = (body ?? {}) as Record<string, unknown>;
  for (const turns of [messages, input]) {
    if (typeof turns === 'string') return turns;
    if (Array.isArray(turns))
      return contentText((turns.at(-1) as { content?: unknown } | undefined)?.content);
  }
  return typeof prompt === 'string' ? prompt : '';
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => String((part as { text?: unknown }).text ?? '')).join(' ');
}
