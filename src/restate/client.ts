import { z } from 'zod';
import { InvalidOptionsError, isOrchestratorError, OrchestratorError } from '../core/errors.js';
import type { JsonObject } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import { parseOptions } from '../core/parse.js';
import { parseReliability, type RetryOptions } from '../core/reliability.js';
import type { AnyTool, ContentOf } from '../core/tool.js';
import type { ToolArguments, UntypedArguments } from '../orchestrator.js';
import { parseAsked, type RunArguments } from '../runtime/arguments.js';
import { MAX_REQUEST_BYTES } from '../runtime/host.js';
import { idMaker } from '../runtime/ids.js';
import { rejectedRun, type RestateRun } from './client-participant.js';
import { ClientRun } from './client-run.js';
import { Ingress } from './ingress.js';
import { travelling } from './run-options.js';
import type { CancelMessage } from './services.js';
import { recordThrown } from './thrown.js';
import { RUN_SERVICE } from './wire.js';

export interface RestateClientOptions {
  /** Address of the Restate server's ingress, as `http://127.0.0.1:8080`. */
  ingress: string;
  /** False: runs are those of an `Orchestrator`, one call each. Default true: those of a `ReliableOrchestrator`. */
  reliable?: boolean;
  /** The retry part, for the runs of this client. What is shared is set on the Troupe that is served. */
  reliability?: RetryOptions;
  /** Sent with every request, as for an authenticating proxy. None that a request has of its own, as `content-length`. */
  headers?: Readonly<Record<string, string>>;
  /** How long to try again without a sign of life of Restate's, in milliseconds. Default 60,000. */
  reconnectMs?: number;
}

/** An orchestrator whose runs are carried out on Restate. */
export interface RestateOrchestrator {
  /**
   * Runs a tool and gives its output, as `Orchestrator.run` does.
   *
   * @throws {BudgetExceeded} {CancelledError} as in process, {StoreError} when Restate cannot be reached, and
   *   {InvalidOptionsError} for what cannot travel: functions, and a `Budget` that runs of this process share.
   */
  run<T extends AnyTool>(args: ToolArguments<T>): Promise<OrchestrationOutput<ContentOf<T>>>;
  run(args: UntypedArguments): Promise<OrchestrationOutput<unknown>>;
  /** Like {@link RestateOrchestrator.run}, but returns at once. */
  start<T extends AnyTool>(args: ToolArguments<T>): RestateRun<ContentOf<T>>;
  start(args: UntypedArguments): RestateRun<unknown>;
  /** Cancels a run that was started anywhere, by its {@link RestateRun.invocation}. */
  cancel(invocation: string, reason?: unknown): Promise<void>;
}

/** Requests have their own of these. */
const OWN_HEADERS = [
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'idempotency-key',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

function areHeaders(headers: Record<string, string>): boolean {
  try {
    const given = new Headers(headers);
    return !OWN_HEADERS.some((name) => given.has(name));
  } catch {
    return false;
  }
}

/** @throws {InvalidOptionsError} which does not show the address: it may hold a password. */
function checkPlain(ingress: string): void {
  const { username, password, search, hash } = new URL(ingress);
  if (username + password + search + hash === '') return;
  throw new InvalidOptionsError(
    'Option `options.ingress` must be an address alone, without credentials or query: credentials go into `headers`.',
  );
}

/** Restate tries for ever to reach what is no id at all. */
const INVOCATION = /^inv_[0-9A-Za-z]{34}$/u;

const schema = z.strictObject({
  ingress: z.url({ protocol: /^https?$/ }),
  reliable: z.boolean().optional(),
  reliability: z.custom<RetryOptions>().optional(),
  headers: z
    .record(z.string(), z.string())
    .refine(areHeaders, {
      message: `must be names and values that HTTP allows, and none of ${OWN_HEADERS.join(', ')}`,
    })
    .optional(),
  reconnectMs: z.number().min(0).finite().optional(),
});

/**
 * An orchestrator with the same arguments, events, outputs and errors as in process, for runs that a Restate server has
 * carried out by the instances of {@link restateEndpoint}.
 *
 * @throws {InvalidOptionsError} for options that are unknown or out of range.
 */
export function restateClient(options: RestateClientOptions): RestateOrchestrator {
  const given = parseOptions(schema, options, 'options');
  checkPlain(given.ingress);
  const isReliable = given.reliable ?? true;
  const ingress = new Ingress({
    url: given.ingress.replace(/\/+$/u, ''),
    headers: given.headers ?? {},
    reconnectMs: given.reconnectMs ?? 60_000,
  });
  const retry = retryOf(given.reliability, isReliable);
  const newId = idMaker(undefined);
  const launch = (args: RunArguments) => {
    const ids = { runId: newId(), traceId: newId(), caller: newId() };
    try {
      const asked = parseAsked(args, isReliable, MAX_REQUEST_BYTES);
      const { tool, toolName = tool?.name ?? null } = args;
      const message = { isReliable, retry, toolName, options: travelling(asked.config) };
      return new ClientRun(ingress, ids, args, asked, message).begin();
    } catch (error) {
      const known = isOrchestratorError(error)
        ? error
        : new OrchestratorError('internal', 'The run could not be started.', { cause: error });
      return rejectedRun(ids, known);
    }
  };
  return {
    run: (args: object) => launch(args as RunArguments).output as Promise<any>,
    start: (args: object) => launch(args as RunArguments).handle as RestateRun<any>,
    cancel: async (invocation, reason) => {
      if (typeof invocation !== 'string' || !INVOCATION.test(invocation)) {
        throw new InvalidOptionsError(
          'cancel() takes the id of an invocation (`inv_...`), as `await run.invocation` gives it.',
        );
      }
      const record = reason === undefined ? null : recordThrown(reason);
      const message: CancelMessage = { run: invocation, reason: record, caller: null };
      await ingress.call(RUN_SERVICE, 'cancel', message);
    },
  };
}

function retryOf(reliability: RetryOptions | undefined, isReliable: boolean): JsonObject | null {
  if (reliability === undefined) return null;
  if (!isReliable) throw new InvalidOptionsError('Option `reliability` needs `reliable: true`.');
  const { breaker, retryBudget, providers, ...retry } = parseReliability(reliability);
  if (breaker !== undefined || retryBudget !== undefined || providers !== undefined) {
    throw new InvalidOptionsError(
      'Options `reliability.breaker`, `retryBudget` and `providers` belong to the Troupe that `restateEndpoint` serves.',
    );
  }
  for (const [name, value] of Object.entries(retry)) {
    if (typeof value !== 'function') continue;
    throw new InvalidOptionsError(
      `Option \`reliability.${name}\` is a function, and cannot travel. Set it on the Troupe that is served.`,
    );
  }
  return retry as unknown as JsonObject;
}
