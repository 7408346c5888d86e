import type { Failure } from '../core/classify.js';
import { toJson, NotJson, type JsonCopy, type JsonLimits, type JsonValue } from '../core/json.js';
import { isThenable, type Awaitable } from '../core/ports.js';
import { field } from '../core/retry-after.js';
import { checkSchema, type Checked, type StandardSchema } from '../core/schema.js';
import { isToolResult, ToolResult, type ToolContext } from '../core/tool.js';
import { readUsage, type ReadUsage } from '../core/usage.js';

export interface ToolCallInput {
  /** Validates the request, and gives what the tool is called with. */
  readonly input: StandardSchema | undefined;
  /** Validates the content. */
  readonly output: StandardSchema | undefined;
  /** What the request may be, best first: a text is offered as it is, then as `{ query }`. */
  readonly requests: readonly JsonValue[];
  /** The call itself; its `this` and its other arguments are the caller's affair. @param context in place of the caller's. */
  readonly execute: (request: unknown, context?: ToolContext) => unknown;
  /** Has the call made in a place of its own, as a step that is journaled. Undefined: here. */
  readonly perform: ((make: MakeCall) => Awaitable<ToolCallOutcome>) | undefined;
  /** Waits for an asynchronous `input`, where more than this process has a say in it. Undefined: the promise itself. */
  readonly outside: (<T>(work: PromiseLike<T>) => PromiseLike<T>) | undefined;
  readonly maxOutputBytes: number;
  /** Called right before the tool is. False: nobody wants the answer any more, and the tool is not called. */
  readonly begin: () => boolean;
}

/** Calls the tool, whatever the tool does, and checks what it gave. @param context in place of the caller's. */
export type MakeCall = (context: ToolContext) => Awaitable<ToolCallOutcome>;

export type ToolCallOutcome =
  | {
      readonly kind: 'answered';
      readonly content: JsonValue;
      /** Its size as JSON text. */
      readonly bytes: number;
      readonly usage: ReadUsage;
      readonly metadata: JsonValue | undefined;
      readonly warnings: readonly string[];
    }
  /** The tool ran, and what it gave is no JSON, too large, or not what its `output` schema asks for. */
  | { readonly kind: 'invalid'; readonly problem: string; readonly usage: ReadUsage }
  | {
      readonly kind: 'threw';
      readonly error: unknown;
      readonly usage: ReadUsage;
      /** What it was judged to be, where that was done with the call. */
      readonly failure?: Failure;
    }
  /** The tool was not run: its `input` schema refuses the request. */
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'unwanted' };

const NO_USAGE: ReadUsage = { usage: undefined, ignored: [] };

/**
 * Makes one call of a tool and says once how it ended, whatever the tool does: throw before or after it was
 * called, return something that is no JSON, or a thenable that lies. A tool that never settles never reports.
 */
export function callTool(input: ToolCallInput, settled: (outcome: ToolCallOutcome) => void): void {
  let outcome: Awaitable<ToolCallOutcome>;
  try {
    const checked = checkRequest(input, 0);
    outcome = isThenable(checked) ? checked.then((known) => execute(input, known)) : execute(input, checked);
  } catch (error) {
    outcome = threw(error);
  }
  if (isThenable(outcome)) outcome.then(settled, (error) => settled(threw(error)));
  else settled(outcome);
}

function checkRequest(input: ToolCallInput, index: number): Awaitable<Checked> {
  const begun = checkSchema(input.input, input.requests[index]);
  const checked = isThenable(begun) && input.outside ? input.outside(begun) : begun;
  if (index + 1 >= input.requests.length) return checked;
  const orNext = (known: Checked) => (known.ok ? known : checkRequest(input, index + 1));
  return isThenable(checked) ? checked.then(orNext) : orNext(checked);
}

function execute(input: ToolCallInput, request: Checked): Awaitable<ToolCallOutcome> {
  if (!request.ok) return { kind: 'refused', problem: request.problem };
  if (!input.begin()) return { kind: 'unwanted' };
  const { perform } = input;
  return perform ? perform((context) => make(input, request.value, context)) : make(input, request.value);
}

function make(input: ToolCallInput, request: unknown, context?: ToolContext): Awaitable<ToolCallOutcome> {
  try {
    const returned: unknown = input.execute(request, context);
    if (!isThenable(returned)) return receive(input, returned);
    return Promise.resolve(returned).then((result: unknown) => receive(input, result), threw);
  } catch (error) {
    return threw(error);
  }
}

function threw(error: unknown): ToolCallOutcome {
  return { kind: 'threw', error, usage: readUsage(field(error, 'usage')) };
}

function receive(input: ToolCallInput, returned: unknown): Awaitable<ToolCallOutcome> {
  const result = isToolResult(returned) ? returned : new ToolResult(returned, undefined, undefined);
  const usage = result.usage === undefined ? NO_USAGE : readUsage(result.usage);
  const limits = { maxDepth: 1000, maxBytes: input.maxOutputBytes };
  const warnings = usage.ignored.map(
    (name) => `The tool reported a usage whose \`${name}\` is no amount; it was ignored.`,
  );
  let copy: JsonCopy;
  try {
    copy = toJson(result.content, limits);
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    return { kind: 'invalid', problem: `Its content is not usable: ${error.message}.`, usage };
  }
  const metadata = readMetadata(result.metadata, limits, warnings);
  const { value: content, bytes } = copy;
  const answered: ToolCallOutcome = { kind: 'answered', content, bytes, usage, metadata, warnings };
  const checked = checkSchema(input.output, content);
  const judge = (known: Checked): ToolCallOutcome =>
    known.ok ? withValue(answered, known.value, content, limits) : invalid(known.problem, usage);
  return isThenable(checked) ? checked.then(judge) : judge(checked);
}

/** A schema may transform the content: what it gives must be JSON again. */
function withValue(
  answered: ToolCallOutcome & { kind: 'answered' },
  value: unknown,
  content: JsonValue,
  limits: JsonLimits,
): ToolCallOutcome {
  if (value === content) return answered;
  try {
    const copy = toJson(value, limits);
    return { ...answered, content: copy.value, bytes: copy.bytes };
  } catch (error) {
    return invalid(`what the schema gave is not usable: ${(error as Error).message}`, answered.usage);
  }
}

function invalid(problem: string, usage: ReadUsage): ToolCallOutcome {
  return { kind: 'invalid', problem: `Its content does not match its \`output\` schema: ${problem}.`, usage };
}

function readMetadata(
  metadata: unknown,
  limits: { maxDepth: number; maxBytes: number },
  warnings: string[],
): JsonValue | undefined {
  if (metadata === undefined) return undefined;
  try {
    return toJson(metadata, limits).value;
  } catch (error) {
    warnings.push(`The tool's metadata was left out: ${(error as Error).message}.`);
    return undefined;
  }
}
