import * as z from 'zod';
import { InvalidOptionsError } from '../../core/errors.js';
import { NotJson, toJson, type JsonObject, type JsonValue } from '../../core/json.js';
import { atLeastOne, callback, parseOptions } from '../../core/parse.js';
import { isTool, type AnyTool } from '../../core/tool.js';
import { Background } from './background.js';
import type { Check } from './check.js';
import { cannotTry } from './checks/answer.js';
import { CHECKS } from './checks/index.js';
import { clip, skipped, warning, type Finding, type Found } from './finding.js';
import { redirectHttp } from './model-server/redirect.js';
import { ModelServer } from './model-server/server.js';
import { reportOf, type VerifyReport } from './report.js';
import { watchResources } from './resources.js';
import { Subject, type SubjectOptions } from './subject.js';
import { watchTraffic } from './traffic.js';
import { sleep, within } from './waiting.js';

export interface VerifyOptions {
  /** A request the tool can answer. Default `{}`. */
  request?: unknown;
  toolOptions?: Record<string, unknown>;
  /** Ids of the checks to make. Default: all; those of the provider with `modelServer` only. */
  checks?: readonly string[];
  /** True: the tool's HTTP calls meet a local server, which fails in all the ways a provider can. Default false. */
  modelServer?: boolean | ModelServer;
  /** The limit of one call, in milliseconds. Default 10,000. */
  timeoutMs?: number;
  /** How long a tool may take to stop, in milliseconds. Default 1000. */
  graceMs?: number;
  /** How many calls are made at once. Default 50. */
  crowd?: number;
  /** Is told the id of each check as it begins. */
  onCheck?: (id: string) => void;
  /** Is given each finding as it is made. */
  onFinding?: (finding: Finding) => void;
}

const schema = z.strictObject({
  request: z.unknown().optional(),
  toolOptions: z.record(z.string(), z.unknown()).optional(),
  checks: z.array(z.enum(CHECKS.map(({ id }) => id))).optional(),
  modelServer: z
    .custom<boolean | ModelServer>(
      (value) => typeof value === 'boolean' || value instanceof ModelServer,
      'must be true, false, or a ModelServer',
    )
    .optional(),
  timeoutMs: atLeastOne.optional(),
  graceMs: atLeastOne.optional(),
  crowd: atLeastOne.optional(),
  onCheck: callback.optional(),
  onFinding: callback.optional(),
});

/** What a process may still have to say when a check is over. */
const SETTLING_MS = 25;

/**
 * Drives a tool through what its surroundings can do to it, on real time, and says which of its promises hold. Every
 * wait has a limit. While it goes on, the process's handlers of unhandled rejections and uncaught exceptions, and
 * `process.exit`, are its own. A tool that blocks the event loop for ever blocks this too: `npx troupe verify`, which
 * uses processes of their own, does not. Called again meanwhile, it waits for its turn.
 *
 * @throws {InvalidOptionsError} for options that are wrong, and for what is no tool.
 */
export async function verifyTool(tool: AnyTool, options: VerifyOptions = {}): Promise<VerifyReport> {
  if (!isTool(tool))
    throw new InvalidOptionsError('verifyTool() takes a Tool. `pickTool` makes one of a function.');
  const parsed = readOptions(options);
  // What it does to the process it can do only once at a time.
  const turn = lastTurn.then(() => verify(tool, parsed, options));
  lastTurn = turn.catch(() => {});
  return turn;
}

let lastTurn: Promise<unknown> = Promise.resolve();

async function verify(
  tool: AnyTool,
  { checks, server: given, ...parsed }: Parsed,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const server = given === true ? await ModelServer.start() : given || undefined;
  const stops = [watchResources(), watchTraffic(), ...(given === true ? [redirectHttp(server!)] : [])];
  const background = new Background();
  try {
    const subject = new Subject(tool, { ...parsed, server });
    const findings = await runAll(subject, checks, background, options);
    return reportOf(tool.name, findings);
  } finally {
    background.stop();
    for (const stop of stops) stop();
    if (given === true) await server!.close();
  }
}

/** The ids and titles of all checks, in the order they are made. */
export function listChecks(): { readonly id: string; readonly title: string; readonly family: string }[] {
  return CHECKS.map(({ id, title, family }) => ({ id, title, family }));
}

async function runAll(
  subject: Subject,
  checks: readonly Check[],
  background: Background,
  { onCheck, onFinding }: VerifyOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    onCheck?.(check.id);
    const found = await runOne(subject, check);
    await sleep(SETTLING_MS);
    for (const one of [...found, ...background.take()]) {
      const finding = { check: check.id, ...one };
      findings.push(finding);
      onFinding?.(finding);
    }
  }
  return findings;
}

async function runOne(subject: Subject, check: Check): Promise<readonly Found[]> {
  if (check.needsAnswer && !(await subject.baseline()).answers) return [cannotTry()];
  const { timeoutMs, graceMs } = subject.options;
  // Each wait has a limit of its own; this one is for what nobody has thought of.
  const limitMs = 12 * (timeoutMs + graceMs) + 10_000;
  const running = check.run(subject).catch((error: unknown) => [ownFault(check, error)]);
  return (await within(running, limitMs)) ?? [skipped(check.title, `it was given up after ${limitMs} ms`)];
}

/** Never the tool's fault, and never to be kept quiet. */
function ownFault({ title }: Check, error: unknown): Found {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return warning(title, {
    happened: `the check itself failed: ${clip(what, 400)}`,
    seen: 'nothing is known about this',
    fix: 'Report it as a fault of Troupe, with the tool.',
  });
}

interface Parsed extends Omit<SubjectOptions, 'server'> {
  readonly checks: readonly Check[];
  readonly server: boolean | ModelServer;
}

function readOptions(options: VerifyOptions): Parsed {
  const given = parseOptions(schema, options, 'options') as VerifyOptions;
  const server = given.modelServer ?? false;
  const ids =
    given.checks ?? CHECKS.filter(({ family }) => family !== 'provider' || server).map(({ id }) => id);
  return {
    checks: CHECKS.filter(({ id }) => ids.includes(id)),
    server,
    request: json('request', given.request ?? {}),
    toolOptions: json('toolOptions', given.toolOptions ?? {}) as JsonObject,
    timeoutMs: given.timeoutMs ?? 10_000,
    graceMs: given.graceMs ?? 1000,
    crowd: given.crowd ?? 50,
  };
}

function json(name: string, value: unknown): JsonValue {
  try {
    return toJson(value, { maxDepth: 100, maxBytes: 64 * 1_048_576 }).value;
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    throw new InvalidOptionsError(`Option \`options.${name}\` must be JSON: ${error.message}.`);
  }
}
