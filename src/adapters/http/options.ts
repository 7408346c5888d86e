import * as z from 'zod';
import { checkRunOptions, parseOptions } from '../../index.js';
import type { OrchestrationOptions, ReliableOrchestrator } from '../../index.js';

/** Who calls. Runs, limits and idempotency keys belong to a caller: nobody sees those of another. */
export interface Caller {
  readonly id: string;
}

export interface HandlerOptions {
  /**
   * Says who calls: an id, an object with one, or a `Response` to answer with instead. Null, undefined, false or an empty
   * id: 401. There is no route without it.
   */
  authorize(request: Request): MaybePromise<string | Caller | Response | null | undefined | false>;
  /** What runs the runs. Default: a `ReliableOrchestrator` of the Troupe. */
  orchestrator?: Pick<ReliableOrchestrator, 'start'>;
  /** Where it is mounted, as `/troupe`. Default: at the root. */
  basePath?: string;
  /** Names of the tools callers may name. Default: all that are registered. */
  tools?: readonly string[];
  /** Options of every run, or a function that gives those of a caller's. They beat what callers ask for. */
  run?: OrchestrationOptions | ((caller: Caller) => MaybePromise<OrchestrationOptions>);
  /** Whether callers may give options to tools. Default false: k of a bundle is a bill. */
  toolOptions?: boolean;
  /** Longest `timeoutMs` of a run, which is also its default, in milliseconds. Default 300000 (5 minutes). */
  maxTimeoutMs?: number;
  /** Largest body of a request, in bytes. Default 1048576 (1 MiB). */
  maxBodyBytes?: number;
  /** Runs of one caller in flight; more are refused with 429. Default 100. */
  maxRunsPerCaller?: number;
  /** Open event streams of one caller; more are refused with 429. Default 20. */
  maxStreamsPerCaller?: number;
  /** How long a run that has ended can be read, in milliseconds. Default 300000 (5 minutes). */
  keepMs?: number;
  /** Runs that have ended and can be read; the oldest leave first. Default 1000. */
  maxKept?: number;
  /** Time between the comments that keep a silent stream open, in milliseconds. Default 15000. */
  heartbeatMs?: number;
  /** Told of what is no fault of a caller's: an `authorize` that throws, a fault of ours. Default: the console. */
  onError?: (error: unknown) => void;
}

type MaybePromise<T> = T | Promise<T>;

export type Settings = Required<Omit<HandlerOptions, 'tools' | 'run'>> &
  Pick<HandlerOptions, 'tools' | 'run'>;

const NAME = 'createHandler';
const positive = z.number().positive();
const wholeNumber = z.int().min(1);
const callback = z.custom<never>((value) => typeof value === 'function', 'must be a function');

const schema = z.strictObject({
  authorize: z.custom<never>(
    (value) => typeof value === 'function',
    'must be a function that says who calls: no route is open to everybody',
  ),
  orchestrator: z
    .custom<never>(
      (value) => typeof (value as { start?: unknown } | null)?.start === 'function',
      'must have `start`',
    )
    .optional(),
  basePath: z
    .string()
    .regex(/^(\/[^/?#]+)*$/, 'must begin with a slash and not end with one')
    .optional(),
  tools: z.array(z.string()).optional(),
  run: z.union([callback, z.record(z.string(), z.unknown())]).optional(),
  toolOptions: z.boolean().optional(),
  maxTimeoutMs: positive.optional(),
  maxBodyBytes: wholeNumber.optional(),
  maxRunsPerCaller: wholeNumber.optional(),
  maxStreamsPerCaller: wholeNumber.optional(),
  keepMs: positive.optional(),
  maxKept: wholeNumber.optional(),
  heartbeatMs: positive.max(2 ** 31 - 1).optional(),
  onError: callback.optional(),
});

const DEFAULTS = {
  basePath: '',
  toolOptions: false,
  maxTimeoutMs: 300_000,
  maxBodyBytes: 1_048_576,
  maxRunsPerCaller: 100,
  maxStreamsPerCaller: 20,
  keepMs: 300_000,
  maxKept: 1000,
  heartbeatMs: 15_000,
  onError: (error: unknown) => console.error('troupe/http:', error),
};

/** @throws {InvalidOptionsError} naming the option, the rule and the value. */
export function readOptions(options: HandlerOptions, orchestrator: () => ReliableOrchestrator): Settings {
  parseOptions(schema, options, NAME);
  if (typeof options.run === 'object') checkRunOptions(options.run, `${NAME}.run`);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...DEFAULTS, orchestrator: options.orchestrator ?? orchestrator(), ...given } as Settings;
}
