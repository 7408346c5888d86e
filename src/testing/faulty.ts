import * as z from 'zod';
import { isSupervised, type ReplicateDraw } from '../core/bundle-tool.js';
import { InvalidOptionsError } from '../core/errors.js';
import { parseOptions } from '../core/parse.js';
import { isTool, isToolResult, toolResult, type AnyTool, type ToolContext } from '../core/tool.js';
import { LONGEST_MS } from '../runtime/timers.js';
import { seededRandom } from './seeded-random.js';
import { connectionError, httpError, NOT_JSON } from './tool-faults.js';
import { never, wait } from './waiting.js';

/** Of these at most one is injected into a call. */
const EXCLUSIVE = ['error', 'rateLimit', 'disconnect', 'hang', 'ignoreAbort', 'badOutput', 'late'] as const;

/**
 * What can be injected into a call.
 *
 * - `latency`: the tool is called later; the signal is obeyed meanwhile. May come with any other.
 * - `error`: HTTP 500, 502, 503 or 529; the tool is not called.
 * - `rateLimit`: HTTP 429; the tool is not called.
 * - `disconnect`: the tool is called, and its answer is lost with the connection.
 * - `hang`: never settles, but obeys its signal; the tool is not called.
 * - `ignoreAbort`: never settles, whatever its signal says; the tool is not called.
 * - `badOutput`: the tool is called, and its content is replaced by what is no JSON.
 * - `late`: the tool is called, and its answer is held back, whatever the signal says.
 */
export type FaultKind = 'latency' | (typeof EXCLUSIVE)[number];

export interface FaultyOptions {
  /** Decides what is injected into which call: a whole number. Default 1. */
  seed?: number;
  /** The chance of each kind, from 0 to 1. Without `latency` they are at most 1 together. Default 0. */
  rates?: Readonly<Partial<Record<FaultKind, number>>>;
  /** Least and most of what `latency` and `late` wait, in milliseconds. Default 100 to 2000. */
  latencyMs?: readonly [min: number, max: number];
  /** When a rate limit asks to be called again, in milliseconds. Default: it does not say. */
  retryAfterMs?: number;
}

/** One fault that was injected. */
export interface Injection {
  readonly kind: FaultKind;
  /** The number of the call, from 1; in a bundle from 1 for each replicate. */
  readonly call: number;
  /** The index of the replicate, in a bundle. */
  readonly replicate?: number;
  /** How long `latency` and `late` wait. */
  readonly ms?: number;
  /** Of `error` and `rateLimit`. */
  readonly status?: number;
}

/** A tool whose calls fail by chance. */
export type Faulty<T extends AnyTool> = T & {
  /** What was injected so far, in the order in which the calls were made. */
  readonly injected: readonly Injection[];
};

const STATUSES = [500, 502, 503, 529] as const;
const chance = z.number().min(0).max(1);
const ms = z.number().min(0).max(LONGEST_MS);

const schema = z.strictObject({
  seed: z.int().default(1),
  rates: z
    .strictObject({
      latency: chance.default(0),
      error: chance.default(0),
      rateLimit: chance.default(0),
      disconnect: chance.default(0),
      hang: chance.default(0),
      ignoreAbort: chance.default(0),
      badOutput: chance.default(0),
      late: chance.default(0),
    })
    .prefault({}),
  latencyMs: z
    .tuple([ms, ms])
    .refine(([min, max]) => min <= max, 'must begin with the lower')
    .default([100, 2000]),
  retryAfterMs: z.number().min(0).optional(),
});

type Settings = z.infer<typeof schema>;

/**
 * Wraps a tool so that its calls meet faults by chance. It keeps its name, version, schemas, estimate, provider and
 * types. What happens to the n-th call follows from the seed and n, however calls overlap; of a bundle tool, from the
 * seed, the replicate and the n of its calls. Waits are on `context.clock`: virtual in a simulation, else real.
 *
 * @throws {InvalidOptionsError} for what is no tool, an unknown kind, or chances that are more than 1 together.
 */
export function faulty<T extends AnyTool>(tool: T, options: FaultyOptions = {}): Faulty<T> {
  if (!isTool(tool))
    throw new InvalidOptionsError('faulty() takes a Tool. Extend `Tool`, or use `defineTool`.');
  const settings: Settings = parseOptions(schema, options, 'options');
  const sum = EXCLUSIVE.reduce((total, kind) => total + settings.rates[kind], 0);
  if (sum > 1 + 1e-9) {
    throw new InvalidOptionsError(
      `Option \`options.rates\` is not valid: ${EXCLUSIVE.join(', ')} must be at most 1 together; got ${sum}.`,
    );
  }
  const injected: Injection[] = [];
  const counts = new Map<number | undefined, number>();
  const meet = (replicate: number | undefined, context: ToolContext, call: () => unknown) => {
    const number = (counts.get(replicate) ?? 0) + 1;
    counts.set(replicate, number);
    const faults = drawFaults(settings, number, replicate);
    injected.push(...faults);
    return faults.length === 0 ? call() : suffer(faults, context, call, settings);
  };
  const own = isSupervised(tool)
    ? {
        injected,
        replicate: (request: unknown, draw: ReplicateDraw, context: ToolContext) =>
          meet(draw.index, context, () => tool.replicate!(request, draw, context)),
      }
    : {
        injected,
        execute: (request: unknown, options: unknown, context: ToolContext) =>
          meet(undefined, context, () => tool.execute(request, options, context)),
      };
  return disguise(tool, own);
}

/** What happens to a call: nothing, a latency, one of the others, or both. */
function drawFaults(
  { seed, rates, latencyMs: [min, max] }: Settings,
  call: number,
  replicate: number | undefined,
): Injection[] {
  const place = { call, ...(replicate === undefined ? {} : { replicate }) };
  const random = seededRandom(seed, ...(replicate === undefined ? [call] : [call, replicate]));
  const waitMs = () => Math.round(min + random() * (max - min));
  // Each number is drawn in any case, so that one rate does not change what another does.
  const [isLatent, latency, kindAt, delay, statusAt] = [random(), waitMs(), random(), waitMs(), random()];
  const faults: Injection[] = [];
  if (isLatent < rates.latency) faults.push({ kind: 'latency', ...place, ms: latency });
  let below = 0;
  const kind = EXCLUSIVE.find((each) => kindAt < (below += rates[each]));
  if (kind === 'late') faults.push({ kind, ...place, ms: delay });
  else if (kind === 'rateLimit') faults.push({ kind, ...place, status: 429 });
  else if (kind === 'error') {
    faults.push({ kind, ...place, status: STATUSES[Math.floor(statusAt * STATUSES.length)]! });
  } else if (kind) faults.push({ kind, ...place });
  return faults;
}

async function suffer(
  faults: readonly Injection[],
  { clock, signal }: ToolContext,
  call: () => unknown,
  { retryAfterMs }: Settings,
): Promise<unknown> {
  for (const { kind, ms = 0, status = 0 } of faults) {
    switch (kind) {
      case 'latency':
        await wait(clock, ms, signal);
        break;
      case 'error':
        throw httpError(status);
      case 'rateLimit':
        throw httpError(status, retryAfterMs === undefined ? {} : { retryAfterMs });
      case 'disconnect':
        await call();
        throw connectionError('ECONNRESET');
      case 'hang':
        return never(signal);
      case 'ignoreAbort':
        return never();
      case 'badOutput': {
        const answer = await call();
        return isToolResult(answer) ? toolResult({ ...answer, content: NOT_JSON }) : NOT_JSON;
      }
      case 'late': {
        const answer = await call();
        await wait(clock, ms);
        return answer;
      }
    }
  }
  return call();
}

/** Stands for the tool in all but what is its own. Methods of the tool run on the tool: they may use private fields. */
function disguise<T extends AnyTool, Own extends object>(tool: T, own: Own): T & Own {
  const methods = new WeakMap<object, unknown>();
  const onTool = (method: (...args: unknown[]) => unknown) => {
    const known = methods.get(method);
    if (known) return known;
    // Not bound: what is known of a method by its properties, and schemas that are functions, stay as they are.
    const wrapped = new Proxy(method, {
      apply: (fn, self, args) => Reflect.apply(fn, self === wrapper ? tool : self, args),
    });
    methods.set(method, wrapped);
    return wrapped;
  };
  const wrapper = new Proxy(Object.create(Object.getPrototypeOf(tool) as object) as T & Own, {
    get(_, name) {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name) as unknown;
      const value: unknown = Reflect.get(tool, name, tool);
      return typeof value === 'function' ? onTool(value as (...args: unknown[]) => unknown) : value;
    },
    has: (_, name) => name in own || name in tool,
    set: (_, name, value) => Reflect.set(tool, name, value),
  });
  return wrapper;
}
