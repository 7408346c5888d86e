import type { Check } from '../check.js';
import { broken, clip, shown, skipped, type Found } from '../finding.js';
import type { ModelServer, Scenario } from '../model-server/server.js';
import type { Execution } from '../recorder.js';
import type { CallOptions, Observed, Subject } from '../subject.js';
import { isToolResult } from '../../../core/tool.js';

/** A check that needs the model server, and a tool that talks to it. */
export function providerCheck(
  id: string,
  title: string,
  run: (subject: Subject, server: ModelServer) => Promise<Found[]>,
): Check {
  return {
    id,
    title,
    family: 'provider',
    needsAnswer: true,
    async run(subject) {
      const { server } = subject.options;
      if (!server)
        return [skipped(title, 'there is no model server: give --model-server (`modelServer: true`)')];
      await subject.baseline();
      if (server.log.length === 0) return [skipped(title, 'the tool makes no HTTP calls')];
      return run(subject, server);
    },
  };
}

/** One run of the tool while the server is in a certain mood. */
export async function meet(
  subject: Subject,
  server: ModelServer,
  scenario: Scenario,
  options: CallOptions = {},
): Promise<Observed> {
  server.scenario = scenario;
  try {
    return await subject.call(options);
  } finally {
    server.scenario = server.answers;
  }
}

/** The first answer an execution gave although it should not have. */
export function answerOf({ executions }: Observed): { readonly content: unknown } | undefined {
  for (const { ending } of executions) {
    if (ending?.kind !== 'answered') continue;
    return { content: isToolResult(ending.value) ? ending.value.content : ending.value };
  }
  return undefined;
}

/** What the tool threw; undefined where it threw nothing. */
export function thrownBy({ executions }: Observed): { readonly error: unknown } | undefined {
  for (const { ending } of executions) if (ending?.kind === 'threw') return ending;
  return undefined;
}

export function answeredAnyway(tried: string, content: unknown): Found {
  return broken(tried, {
    happened: `it answered all the same: ${shown(content, 80)}`,
    seen: 'a `completed` run whose content is no answer; no retry, no fallback, and the breaker counts a success',
    fix: 'Check `response.ok` (the status) before the body is read, and throw what went wrong.',
  });
}

/** One retry owner per call: a tool that tries again by itself multiplies what Troupe does. */
export async function retriesItself(
  subject: Subject,
  tried: string,
  observed: Observed,
): Promise<Found | undefined> {
  const usual = mostRepeated((await subject.baseline()).observed.executions);
  const times = mostRepeated(observed.executions);
  if (times <= usual) return undefined;
  return broken(tried, {
    happened: `it sent the same request ${times} times by itself`,
    seen: `with Troupe's retries up to ${times * 4} requests for one run; a provider in trouble gets more of it`,
    fix: 'Leave retries to Troupe: set those of the SDK to 0 (`maxRetries: 0`), and throw at the first failure.',
  });
}

function mostRepeated(executions: readonly Execution[]): number {
  return Math.max(0, ...executions.map(({ requests }) => Math.max(0, ...countsOf(requests))));
}

function countsOf(requests: Execution['requests']): number[] {
  const counts = new Map<string, number>();
  for (const { method, url } of requests) {
    const key = `${method} ${url}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts.values()];
}

/** The tool neither answered nor failed in the time it was given. */
export function stillWaiting(tried: string, timeoutMs: number): Found {
  return broken(tried, {
    happened: `it neither answered nor failed within ${timeoutMs} ms`,
    seen: 'a run without `timeoutMs` that never ends',
    fix: 'Throw at the first failure, and let Troupe decide whether and when to call again.',
  });
}

export function describeThrown(error: unknown): string {
  return error instanceof Error ? clip(`${error.name}: ${error.message}`, 120) : shown(error);
}
