import * as z from 'zod';
import { Problem } from './problem.js';

const runBody = z
  .strictObject({
    /** Either name; neither: the planner chooses. */
    toolName: z.string().optional(),
    tool: z.string().optional(),
    request: z.unknown().optional(),
    toolOptions: z.record(z.string(), z.unknown()).optional(),
    options: z
      .strictObject({
        timeoutMs: z.number().positive().optional(),
        budget: z
          .strictObject({
            tokens: z.number().min(0).optional(),
            costUsd: z.number().min(0).optional(),
            ms: z.number().min(0).optional(),
          })
          .optional(),
        streaming: z.boolean().optional(),
        metadata: z.record(z.string(), z.unknown()).optional(),
      })
      .optional(),
    /** Whether the run is cancelled when the caller of this request leaves before its end. */
    cancelOnDisconnect: z.boolean().optional(),
  })
  .refine((body) => body.request !== undefined, { path: ['request'], message: 'is missing' });

/** What a caller asks for. */
export type RunBody = z.infer<typeof runBody>;

/**
 * Reads what a caller asks for.
 *
 * @throws {Problem} for what is too large, no JSON, or not of that shape.
 */
export async function readRunBody(request: Request, maxBytes: number): Promise<RunBody> {
  return parse(runBody, await readJson(request, maxBytes));
}

const cancelBody = z.strictObject({ reason: z.string().max(1000).optional() });

/** The same for a cancellation, whose body may be empty. */
export async function readCancelBody(
  request: Request,
  maxBytes: number,
): Promise<z.infer<typeof cancelBody>> {
  const text = await readText(request, maxBytes);
  return text === '' ? {} : parse(cancelBody, toJson(text));
}

async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new Problem(
      415,
      'unsupported_media_type',
      'The body must be JSON: send `content-type: application/json`.',
    );
  }
  return toJson(await readText(request, maxBytes));
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = () => new Problem(413, 'body_too_large', `The body may have at most ${maxBytes} bytes.`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return '';
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of request.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += part.byteLength;
      if (bytes > maxBytes) throw tooLarge();
      parts.push(part);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(400, 'unreadable_body', 'The body could not be read to its end as UTF-8.');
  }
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(400, 'malformed_json', 'The body is no JSON.');
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // A name that is misspelt tells more than that the right one is missing.
  const { issues } = result.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  const at = issue!.path.map(String).join('.');
  const rule = issue!.message.replace(/^Invalid input: /, '').slice(0, 300);
  throw new Problem(
    400,
    'invalid_options',
    at === '' ? `The body: ${rule}.` : `Field \`${at.slice(0, 100)}\`: ${rule}.`,
  );
}
