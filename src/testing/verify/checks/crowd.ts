import type { Check } from '../check.js';
import { longestStall, MAX_STALL_MS } from '../event-loop.js';
import { broken, clip, duration, kept, shown, skipped, warning, type Found } from '../finding.js';
import { isAnswered, type Observed, type Subject } from '../subject.js';
import { lastFailure } from './answer.js';
import { variantsOf, type Variant } from '../variants.js';
import { turn } from '../waiting.js';
import { canonicalJson, type JsonValue } from '../../../core/json.js';

/** For how long all calls together may hold the event loop. */
const MOST_BUSY_MS = 2000;
const BUSY_MS = 3;
/** In a crowd all may take longer: by this factor, or as long as this. */
const PATIENCE = 5;
const PATIENCE_MS = 10_000;

export const eventLoop: Check = {
  id: 'event-loop',
  title: 'leaves the event loop free while it works',
  family: 'share',
  needsAnswer: true,
  async run(subject) {
    const tried = 'called once, with the event loop watched';
    // The first call may load what the tool needs.
    await subject.baseline();
    let stall = await stallOfCall(subject);
    // A busy machine stalls now and then; a tool that blocks does it every time.
    for (let tries = 0; tries < 2 && stall > MAX_STALL_MS; tries++) {
      stall = Math.min(stall, await stallOfCall(subject));
    }
    if (stall <= MAX_STALL_MS) return [kept(tried, `at most ${duration(stall)} in a row`)];
    return [
      broken(tried, {
        happened: `it held the event loop for ${duration(stall)} in a row`,
        seen: 'every other run of the process stands still meanwhile: deadlines, cancels and answers come late',
        fix: 'Do heavy work in a worker thread or in slices, and use no `...Sync` calls of Node.',
      }),
    ];
  },
};

async function stallOfCall(subject: Subject): Promise<number> {
  return longestStall(async () => {
    await turn();
    await subject.call();
    await turn();
  });
}

export const crowd: Check = {
  id: 'crowd',
  title: 'called 50 times at once: each gets its own answer',
  family: 'share',
  needsAnswer: true,
  async run(subject) {
    const busyMs = await busyMsOf(subject);
    // A tool that holds the event loop is called less often: it would take for ever.
    const size = Math.min(subject.options.crowd, Math.max(5, Math.floor(MOST_BUSY_MS / Math.max(1, busyMs))));
    const distinct = await distinctRequests(subject);
    const variants = distinct?.variants ?? [{ request: subject.options.request, marker: '' }];
    const tried = `${size} at once${distinct ? `, with ${variants.length} different requests` : ''}`;
    const runs = await allAtOnce(
      subject,
      Array.from({ length: size }, (_, index) => variants[index % variants.length]!),
      busyMs,
    );
    const failed = runs.filter(({ observed }) => !isAnswered(observed));
    if (failed.length > 0) return [someFailed(tried, failed[0]!.observed, failed.length, size)];
    const mixed = distinct && runs.find((run) => !distinct.isOwn(run.variant, contentOf(run.observed)));
    if (mixed) return [answersMixed(tried, mixed)];
    if (distinct) return [kept(tried, 'all were answered, each with its own answer')];
    return [
      kept(tried, 'all were answered'),
      skipped(
        'whether answers of different requests mix',
        'its answers do not show which request they are for',
      ),
    ];
  },
};

/** How long one call holds the event loop. */
async function busyMsOf(subject: Subject): Promise<number> {
  const { executions } = (await subject.baseline()).observed;
  return executions.reduce((sum, { syncMs }) => sum + syncMs, 0);
}

interface CrowdRun {
  readonly variant: Variant;
  readonly observed: Observed;
}

/** All in one turn; those of a tool that holds the event loop in turns of their own. */
async function allAtOnce(
  subject: Subject,
  variants: readonly Variant[],
  busyMs: number,
): Promise<CrowdRun[]> {
  const runs: Promise<CrowdRun>[] = [];
  const timeoutMs = Math.max(PATIENCE_MS, PATIENCE * subject.options.timeoutMs);
  for (const variant of variants) {
    runs.push(
      subject.run({ request: variant.request, timeoutMs }).then((observed) => ({ variant, observed })),
    );
    if (busyMs > BUSY_MS) await turn();
  }
  return Promise.all(runs);
}

interface Distinct {
  readonly variants: readonly Variant[];
  readonly isOwn: (variant: Variant, content: JsonValue) => boolean;
}

/** Requests whose answers can be told apart, and how; undefined where there are none. */
async function distinctRequests(subject: Subject): Promise<Distinct | undefined> {
  for (const variants of variantsOf(subject.options.request)) {
    const answers = await inTurn(subject, variants);
    if (answers === undefined) continue;
    const texts = answers.map((content) => canonicalJson(content));
    if (texts.every((text, index) => text.includes(variants[index]!.marker)) && areTexts(variants)) {
      return { variants, isOwn: (variant, content) => holdsOnly(variants, variant, canonicalJson(content)) };
    }
    // Answers that do not show their request, yet follow from it, are compared as a whole.
    const again = await inTurn(subject, variants.slice(0, 2));
    const isRepeatable = again?.every((content, index) => canonicalJson(content) === texts[index]);
    if (isRepeatable && new Set(texts).size === texts.length) {
      return {
        variants,
        isOwn: (variant, content) => canonicalJson(content) === texts[variants.indexOf(variant)],
      };
    }
  }
  return undefined;
}

function areTexts(variants: readonly Variant[]): boolean {
  return variants.every(({ marker }) => marker.startsWith('verify-'));
}

function holdsOnly(variants: readonly Variant[], own: Variant, text: string): boolean {
  return variants.every(({ marker }) => text.includes(marker) === (marker === own.marker));
}

async function inTurn(subject: Subject, variants: readonly Variant[]): Promise<JsonValue[] | undefined> {
  const answers: JsonValue[] = [];
  for (const { request } of variants) {
    const observed = await subject.call({ request });
    if (!isAnswered(observed)) return undefined;
    answers.push(contentOf(observed));
  }
  return answers;
}

function contentOf({ output }: Observed): JsonValue {
  return output!.content as JsonValue;
}

function answersMixed(tried: string, { variant, observed }: CrowdRun): Found {
  return broken(tried, {
    happened: `the request ${shown(variant.request, 60)} was answered with ${shown(contentOf(observed), 60)}`,
    seen: 'one user gets the answer of another',
    fix: 'Keep what belongs to one call in variables of that call, not in the module or on the tool.',
  });
}

function someFailed(tried: string, { output, error }: Observed, failed: number, size: number): Found {
  const reason = (output?.error && lastFailure(output.error)) ?? (error as Error | undefined)?.message;
  const happened = `${failed} of ${size} failed: ${clip(reason ?? output?.error?.message ?? 'no answer')}`;
  if (output?.error?.code === 'rate_limit') {
    return warning(tried, {
      happened,
      seen: 'runs that wait for one another, or fail',
      fix: 'Allow its provider fewer calls at a time: `new Troupe({ pools: { [provider]: { size } } })`.',
    });
  }
  return broken(tried, {
    happened,
    seen: 'runs that fail as soon as there are many of them',
    fix: 'Keep what belongs to one call in variables of that call; share no connection that only one can use.',
  });
}
