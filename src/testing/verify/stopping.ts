import { broken, duration, kept, warning, type Found } from './finding.js';
import type { Execution } from './recorder.js';
import { nameAll, type Resource } from './resources.js';
import type { Baseline, Observed, Subject } from './subject.js';
import { until } from './waiting.js';

/** A tool that goes on for longer than this after it was told to stop has not noticed. */
const MOMENT_MS = 10;
/** A tool that was told to stop with less than this to go may as well be done. */
const NEARLY_DONE_MS = 8;
const SLOW_TO_STOP_MS = 250;
/** What a tool may need to let go of what it holds. */
const LETTING_GO_MS = 300;

/** A finding, and whether it would be the same if it were tried again. */
export interface Judged {
  readonly found: Found;
  readonly isSure: boolean;
}

export function sure(found: Found): Judged {
  return { found, isSure: true };
}

/** What a tool still holds a moment after it has settled. */
export async function leftBy(executions: readonly Execution[]): Promise<Resource[]> {
  const left = () => executions.flatMap(({ holdings }) => holdings.left);
  await until(() => left().length === 0, LETTING_GO_MS);
  return left();
}

/**
 * Judges how a tool took being told to stop.
 *
 * @param expectedMs how long its code takes when it is not told to.
 */
export async function judgeStop(
  tried: string,
  { executions }: Observed,
  { expectedMs, graceMs }: { expectedMs: number; graceMs: number },
): Promise<Judged> {
  const stopped = executions.filter(({ abortedAt }) => abortedAt !== undefined);
  if (stopped.length === 0) return sure(kept(tried, 'it had settled before'));
  const fault = stopped.map((one) => faultOf(one, expectedMs, graceMs)).find((known) => known !== undefined);
  if (fault) return { found: broken(tried, fault), isSure: fault.isSure };

  const left = await leftBy(stopped);
  if (left.length > 0) {
    return sure(
      broken(tried, {
        happened: `it left behind ${nameAll(left)}`,
        seen: 'the run has ended, yet its work goes on: it may cost money, and keeps the process alive',
        fix: 'Clear timers, and close or abort whatever else was opened, once `context.signal` is aborted.',
      }),
    );
  }
  const slowest = Math.max(...stopped.map(afterAbort));
  if (slowest > SLOW_TO_STOP_MS) {
    return sure(
      warning(tried, {
        happened: `it stopped after ${duration(slowest)}`,
        seen: 'whoever cancels waits that long',
        fix: 'Clean up faster, or after the promise of `execute` has settled and without holding anything.',
      }),
    );
  }
  // One that answers may have been done anyway, or may not have noticed.
  const isSure = stopped.every(({ ending }) => ending?.kind === 'threw');
  const happened = `it ${isSure ? 'stopped' : 'was done'} within ${duration(slowest)}`;
  return { found: kept(tried, happened, 'the run ends at once, and nothing goes on'), isSure };
}

function afterAbort({ abortedAt, settledAt }: Execution): number {
  return Math.max(0, settledAt! - abortedAt!);
}

function faultOf(execution: Execution, expectedMs: number, graceMs: number) {
  const { abortedAt, settledAt, ending, requests, startedAt } = execution;
  const later = requests.filter(({ at }) => at > abortedAt! + 1);
  if (later.length > 0) {
    return {
      happened: `it made another HTTP request after that: ${later[0]!.method} ${later[0]!.url}`,
      seen: 'a run that has ended goes on spending money',
      fix: 'Check `context.signal` before each request, and give it to each: `fetch(url, { signal })`.',
      isSure: true,
    };
  }
  if (settledAt === undefined || ending === undefined) {
    return {
      happened: `it went on for more than ${duration(graceMs)}, the grace a run gives`,
      seen: `whoever cancels waits ${duration(graceMs)}, with the warning \`abort_ignored\`; the work goes on unseen`,
      fix: 'Give `context.signal` to whatever the tool waits for, and let the rejection through.',
      isSure: true,
    };
  }
  if (ending.kind === 'threw') return undefined;
  const after = afterAbort(execution);
  if (after >= MOMENT_MS) {
    return {
      happened: `it went on for ${duration(after)} and answered as if nothing had happened`,
      seen: 'whoever cancels waits for an answer that is thrown away, and pays for it',
      fix: 'Give `context.signal` to whatever the tool waits for, and let the rejection through.',
      isSure: false,
    };
  }
  const toGo = expectedMs - (abortedAt! - startedAt);
  if (toGo < NEARLY_DONE_MS || after > toGo / 2) return undefined;
  return {
    happened: 'it answered at once, as if it had done all its work',
    seen: 'where the tool is called by hand or inside another tool, half of the work is taken for the whole',
    fix: 'Throw when the signal is aborted (`signal.throwIfAborted()`), and do not catch the rejection.',
    isSure: false,
  };
}

/**
 * Tries again what may be chance: on a busy machine a good tool can look slow, or be quicker than it was when it was
 * measured, and a bad one can be done by the time it is told to stop. What is sure counts, then what is broken.
 */
export async function confirmed(
  subject: Subject,
  attempt: (baseline: Baseline) => Promise<Judged>,
): Promise<Found> {
  let judged = await attempt(await subject.baseline());
  let worst = judged.found;
  for (let tries = 1; tries < 3 && !judged.isSure; tries++) {
    judged = await attempt(await subject.measureAgain());
    if (worst.verdict !== 'broken') worst = judged.found;
  }
  return judged.isSure ? judged.found : worst;
}
