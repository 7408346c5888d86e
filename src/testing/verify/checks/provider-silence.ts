import type { Found } from '../finding.js';
import { silence, stuck } from '../model-server/scenarios.js';
import type { ModelServer, Scenario } from '../model-server/server.js';
import { confirmed, judgeStop } from '../stopping.js';
import type { Subject } from '../subject.js';
import { sleep } from '../waiting.js';
import { meet, providerCheck } from './provider.js';

/** Long enough for a request to be on its way. */
const WAITING_MS = 150;

export const providerSilent = providerCheck(
  'provider-silent',
  'its provider never answers: the signal and the deadline are obeyed all the same',
  async (subject, server) => [
    await aborted(subject, server, silence, 'aborted while its provider says nothing'),
    await timedOut(subject, server, silence, `a deadline while its provider says nothing`),
    await aborted(subject, server, stuck(server), 'aborted while its provider is stuck in an answer'),
  ],
);

async function aborted(
  subject: Subject,
  server: ModelServer,
  scenario: Scenario,
  tried: string,
): Promise<Found> {
  return stopped(subject, tried, async () => {
    const controller = new AbortController();
    const [observed] = await Promise.all([
      meet(subject, server, scenario, { signal: controller.signal }),
      sleep(WAITING_MS).then(() => controller.abort(new DOMException('The user left.', 'AbortError'))),
    ]);
    return observed;
  });
}

async function timedOut(
  subject: Subject,
  server: ModelServer,
  scenario: Scenario,
  tried: string,
): Promise<Found> {
  return stopped(subject, tried, () => meet(subject, server, scenario, { timeoutMs: WAITING_MS }));
}

/** However long it would have taken, it could not be done. */
function stopped(subject: Subject, tried: string, run: () => ReturnType<typeof meet>): Promise<Found> {
  const { graceMs } = subject.options;
  return confirmed(subject, async () => judgeStop(tried, await run(), { expectedMs: Infinity, graceMs }));
}
