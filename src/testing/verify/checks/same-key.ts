import type { Check } from '../check.js';
import { broken, clip, kept, skipped, warning, type Found } from '../finding.js';
import { isAnswered, type Observed, type Subject } from '../subject.js';

export const sameKey: Check = {
  id: 'same-key',
  title: 'called twice with one idempotency key: works once',
  family: 'share',
  needsAnswer: true,
  async run(subject) {
    const found = [await oneAfterTheOther(subject), await atOnce(subject)];
    const crashed = await afterCrash(subject);
    return crashed ? [...found, crashed] : found;
  },
};

async function oneAfterTheOther(subject: Subject): Promise<Found> {
  const tried = 'twice with one idempotency key, one after the other';
  const orchestrator = subject.newOrchestrator();
  const options = { orchestrator, idempotencyKey: 'verify-in-turn' };
  const first = await subject.call(options);
  const second = await subject.call(options);
  return judge(tried, [first, second], 'the second run got a copy of the first one’s answer');
}

async function atOnce(subject: Subject): Promise<Found> {
  const tried = 'twice with one idempotency key, at once';
  const orchestrator = subject.newOrchestrator();
  const options = { orchestrator, idempotencyKey: 'verify-at-once' };
  const both = await Promise.all([subject.call(options), subject.call(options)]);
  return judge(tried, both, 'both runs shared one execution');
}

function judge(tried: string, runs: readonly Observed[], well: string): Found {
  const failed = runs.find((run) => !isAnswered(run));
  if (failed) {
    const why = failed.error ?? failed.output?.error;
    return broken(tried, {
      happened: `one of the runs failed: ${clip((why as Error | undefined)?.message ?? 'no answer')}`,
      seen: 'a request that is repeated fails, or is executed again',
      fix: '`name` and `version` must stay the same from call to call, and the tool must not fail when called again.',
    });
  }
  const executed = runs.filter(({ executions }) => executions.length > 0);
  if (executed.length <= 1) return kept(tried, well, 'one answer, paid for once');
  return broken(tried, {
    happened: 'it was executed twice',
    seen: 'what must happen once happens twice',
    fix: '`name` and `version` must stay the same from call to call.',
  });
}

/** Another process knows nothing of the first: only the provider could, if it was told the key. */
async function afterCrash(subject: Subject): Promise<Found | undefined> {
  const { server } = subject.options;
  if (!server) return undefined;
  const tried = 'the same key after a crash: does the provider get to know it?';
  if (subject.tool.idempotent === false) {
    return skipped(tried, 'the tool says that it is not idempotent, and is never called again on doubt');
  }
  const sent = [];
  for (let processes = 0; processes < 2; processes++) {
    const from = server.log.length;
    const orchestrator = subject.newOrchestrator();
    const { executions } = await subject.call({ orchestrator, idempotencyKey: 'verify-crash' });
    const keys = executions.map(({ context }) => context.idempotencyKey);
    const changing = server.log
      .slice(from)
      .filter(({ method }) => !['GET', 'HEAD', 'OPTIONS'].includes(method));
    if (changing.length === 0) return undefined;
    sent.push(changing.every((request) => keys.some((key) => request.holds(key))));
  }
  if (sent.every(Boolean))
    return kept(tried, 'both requests carry the key', 'the provider can refuse a repetition');
  return warning(tried, {
    happened: 'its requests do not carry `context.idempotencyKey`',
    seen: 'after a crash or a lost answer the provider does the same thing, and bills it, twice',
    fix: 'Send `context.idempotencyKey` along (most providers take a header `idempotency-key`), or set `idempotent = false`.',
  });
}
