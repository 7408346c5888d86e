import { createHash } from 'node:crypto';
import {
  Budget,
  isOrchestratorError,
  type OrchestrationOptions,
  type RunBudget,
  type Troupe,
} from '../../index.js';
import type { RunBody } from './body.js';
import type { Caller, Settings } from './options.js';
import { Problem } from './problem.js';
import type { KnownRun, Runs } from './runs.js';
import { within } from './within.js';

/** How long a caller is kept waiting to hear whether its run was refused, in milliseconds. */
const HEAR_MS = 1000;

/** Starts what a caller asks for, within what it may. */
export async function startRun(
  troupe: Troupe,
  settings: Settings,
  runs: Runs,
  caller: Caller,
  body: RunBody,
  headers: Headers,
): Promise<{ readonly known: KnownRun; readonly own: OrchestrationOptions }> {
  const toolName = body.toolName ?? body.tool;
  if (body.toolName !== undefined && body.tool !== undefined && body.toolName !== body.tool) {
    throw new Problem(400, 'invalid_options', 'Fields `toolName` and `tool` are the same; give one.');
  }
  checkTool(troupe, settings, toolName);
  if (body.toolOptions !== undefined && !settings.toolOptions) {
    throw new Problem(
      400,
      'invalid_options',
      'Field `toolOptions`: this service takes no options for its tools.',
    );
  }
  const own = typeof settings.run === 'function' ? await settings.run(caller) : (settings.run ?? {});
  const options = optionsOf(own, settings.maxTimeoutMs, caller, body, headers);
  // After the last wait: nobody else may slip in between.
  runs.admit(caller);
  const run = settings.orchestrator.start({
    ...(toolName === undefined ? {} : { toolName }),
    request: body.request as object,
    ...(body.toolOptions === undefined ? {} : { toolOptions: body.toolOptions }),
    options,
  } as never);
  return { known: runs.add(run, caller), own };
}

/** What a run was refused for. An option that the service gave, and that is not usable, is no fault of the caller's. */
export function refusalOf(error: unknown, own: OrchestrationOptions): unknown {
  if (!isOrchestratorError(error) || error.code !== 'invalid_options') return error;
  const option = /^(?:Unknown option|Option) `options\.(\w+)/.exec(error.message)?.[1];
  if (option === undefined || !Object.hasOwn(own, option)) return error;
  return new Error(`The option \`run\` of createHandler() gives no usable options: ${error.message}`, {
    cause: error,
  });
}

/** Waits until a run has said something, was refused, or takes its time. */
export async function heardOf({ run, ended }: KnownRun): Promise<void> {
  const events = run.events[Symbol.asyncIterator]();
  // One that was refused ends without an event.
  const heard = events.next().then(({ done }) => (done === true ? ended : undefined));
  await within(heard, HEAR_MS);
  void events.return?.();
}

/** What may be named is what may be seen: without a list, all that is registered. */
function checkTool(troupe: Troupe, { tools }: Settings, name: string | undefined): void {
  if (tools === undefined) return;
  const here = tools.filter((each) => Object.hasOwn(troupe.listTools(), each));
  const known = here.length === 0 ? 'There are none.' : `Tools here: ${here.join(', ')}.`;
  if (name === undefined) {
    throw new Problem(
      400,
      'invalid_options',
      `Field \`toolName\` is missing: say which tool is to run. ${known}`,
    );
  }
  if (!here.includes(name)) {
    throw new Problem(404, 'tool_not_found', `There is no tool of that name here. ${known}`);
  }
}

function optionsOf(
  own: OrchestrationOptions,
  maxTimeoutMs: number,
  caller: Caller,
  body: RunBody,
  headers: Headers,
): OrchestrationOptions {
  const asked = body.options ?? {};
  const key = keyOf(headers, caller);
  const traceparent = traceparentOf(headers);
  const budget = budgetOf(own.budget, asked.budget);
  return {
    ...(asked.streaming === undefined ? {} : { streaming: asked.streaming }),
    ...(asked.metadata === undefined ? {} : { metadata: asked.metadata }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...own,
    ...(key === undefined ? {} : { idempotencyKey: key }),
    ...(budget === undefined ? {} : { budget }),
    timeoutMs: Math.min(own.timeoutMs ?? maxTimeoutMs, asked.timeoutMs ?? Infinity),
  };
}

/** A caller may spend less than it may, not more. */
function budgetOf(
  own: OrchestrationOptions['budget'],
  asked: NonNullable<RunBody['options']>['budget'],
): OrchestrationOptions['budget'] {
  if (asked === undefined || own instanceof Budget) return own;
  const both: RunBudget = { ...own };
  for (const [name, limit] of Object.entries(asked) as [keyof RunBudget, number | undefined][]) {
    if (limit !== undefined) Object.assign(both, { [name]: Math.min(limit, both[name] ?? Infinity) });
  }
  return both;
}

const LONGEST_KEY = 512;

/**
 * The draft standard has the key in quotes; most send it bare. Keys of callers do not meet.
 *
 * @throws {Problem} for one that is empty or too long.
 */
function keyOf(headers: Headers, caller: Caller): string | undefined {
  const given = headers.get('idempotency-key');
  if (given === null) return undefined;
  const key = /^"(.*)"$/s.exec(given)?.[1] ?? given;
  if (key === '' || key.length > LONGEST_KEY) {
    throw new Problem(
      400,
      'invalid_options',
      `Header \`Idempotency-Key\` must have 1 to ${LONGEST_KEY} characters.`,
    );
  }
  const whole = JSON.stringify([caller.id, key]);
  if (whole.length <= LONGEST_KEY) return whole;
  return `sha256:${createHash('sha256').update(whole).digest('hex')}`;
}

/** One that is malformed counts as none, as W3C Trace Context has it. */
function traceparentOf(headers: Headers): string | undefined {
  const given = headers.get('traceparent') ?? '';
  const [, version, traceId, parentId, more] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/.exec(given) ?? [];
  const isEmpty = traceId === undefined || /^0+$/.test(traceId) || /^0+$/.test(parentId!);
  const isUnknown = version === 'ff' || (version === '00' && more !== undefined) || given.length > 512;
  return isEmpty || isUnknown ? undefined : given;
}
