import { modelMessageSchema, type ModelMessage } from 'ai';
import type { StandardSchema } from '../../index.js';

/** What a model tool takes by default: a text, a text under `query`, or messages of the AI SDK. `type` is for planning. */
export type ModelRequest =
  | string
  | { readonly query: string; readonly type?: string }
  | { readonly messages: ModelMessage[]; readonly type?: string };

/** What a prompt builder gives: a text, which the user says, or messages. */
export type ModelPrompt = string | readonly ModelMessage[];

/** A tool's arguments are an object with most models, so as JSON Schema it is that form alone. */
const queryForm = {
  type: 'object',
  properties: { query: { type: 'string', minLength: 1 } },
  required: ['query'],
} as const;

/** A Standard Schema with its second part, JSON Schema. */
const standard: StandardSchema<ModelRequest, ModelRequest>['~standard'] & { readonly jsonSchema: object } = {
  version: 1,
  vendor: 'troupe',
  validate: (value) => {
    const problem = problemOf(value);
    return problem === undefined ? { value: value as ModelRequest } : { issues: [{ message: problem }] };
  },
  jsonSchema: { input: () => structuredClone(queryForm), output: () => structuredClone(queryForm) },
};

/** The default `input` of model tools. */
export const modelRequest: StandardSchema<ModelRequest, ModelRequest> = { '~standard': standard };

function problemOf(value: unknown): string | undefined {
  const { query, messages } = (typeof value === 'string' ? { query: value } : (value ?? {})) as {
    query?: unknown;
    messages?: unknown;
  };
  if (query !== undefined && messages !== undefined) return 'give `query` or `messages`, not both';
  if (Array.isArray(messages)) {
    if (messages.length === 0) return '`messages` must not be empty';
    const bad = messages.findIndex((message) => !modelMessageSchema.safeParse(message).success);
    return bad === -1
      ? undefined
      : `\`messages.${bad}\` is no message of the AI SDK: { role, content } was expected`;
  }
  if (typeof query === 'string' && query !== '') return undefined;
  return 'a text that is not empty, { query: text } or { messages: [...] } was expected';
}

/** The prompt in one of the default forms; undefined where it is none of them. */
export function promptIn(value: unknown): ModelPrompt | undefined {
  if (typeof value === 'string') return value;
  const { query, messages: given } = (value ?? {}) as { query?: unknown; messages?: unknown };
  if (typeof query === 'string') return query;
  return Array.isArray(given) ? (given as ModelMessage[]) : undefined;
}

/** Why a prompt cannot be sent; undefined: it can. */
export function promptProblem(prompt: unknown): string | undefined {
  if (typeof prompt === 'string') return prompt === '' ? 'the prompt is empty' : undefined;
  if (!Array.isArray(prompt)) return 'the prompt is neither a text nor a list of messages';
  return prompt.length === 0 ? 'the prompt has no messages' : undefined;
}

/** Why a prompt with a message of the role `system` is refused; undefined: it has none. The SDK would name options of its own. */
export function systemIn(prompt: ModelPrompt): string | undefined {
  if (typeof prompt === 'string') return undefined;
  const at = prompt.findIndex((message) => message?.role === 'system');
  if (at === -1) return undefined;
  return `Message ${at} has the role \`system\`, which tells the model what to do: put that into the tool's \`instructions\`, or set \`allowSystemInMessages\`.`;
}
