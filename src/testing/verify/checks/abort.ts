import type { Check } from '../check.js';
import { broken, duration, kept, skipped, type Found } from '../finding.js';
import type { Execution } from '../recorder.js';
import { confirmed, judgeStop, sure, type Judged } from '../stopping.js';
import type { Baseline, Observed, Subject } from '../subject.js';
import { sleep } from '../waiting.js';

/** A tool that takes less than this is done before anybody could stop it. */
const INSTANT_MS = 5;
/** A tool whose signal was aborted before it began, and that takes longer than this, does its work all the same. */
const WORKING_MS = 50;
/** How long a tool is watched for what it does later. */
const WATCHED_MS = 250;

export const abortBefore: Check = {
  id: 'abort-before',
  title: 'aborted before it begins: does nothing',
  family: 'stop',
  needsAnswer: false,
  async run(subject) {
    const tried = 'its code called by hand, with a signal that is aborted already';
    return [
      await confirmed(subject, async (baseline) => {
        const execution = await subject.callByHand(AbortSignal.abort());
        if (execution === undefined) return sure(skipped(tried, 'its `input` schema refuses the request'));
        const found = judgeBefore(tried, execution, baseline, subject.options.timeoutMs);
        return { found, isSure: found.verdict !== 'broken' || execution.ending === undefined };
      }),
    ];
  },
};

function judgeBefore(tried: string, execution: Execution, baseline: Baseline, timeoutMs: number): Found {
  const { ending, requests, elapsedMs = timeoutMs } = execution;
  const [request] = requests;
  if (request && ending?.kind !== 'threw') {
    return broken(tried, {
      happened: `it made an HTTP request all the same: ${request.method} ${request.url}`,
      seen: 'a call that nobody wants is paid for, where the tool is used inside another tool',
      fix: 'Begin with `signal.throwIfAborted()`, and give the signal to each request.',
    });
  }
  if (elapsedMs >= WORKING_MS) {
    return broken(tried, {
      happened: `it went on for ${ending ? '' : 'more than '}${duration(elapsedMs)} all the same`,
      seen: 'work that nobody wants is done, where the tool is used inside another tool',
      fix: 'Begin with `signal.throwIfAborted()`, and give the signal to whatever the tool waits for.',
    });
  }
  if (ending?.kind === 'threw') return kept(tried, `it threw within ${duration(elapsedMs)}`);
  if (baseline.answers && baseline.ms >= WORKING_MS) {
    return broken(tried, {
      happened: `it answered within ${duration(elapsedMs)}; its work takes ${duration(baseline.ms)}`,
      seen: 'what was never done is taken for an answer, where the tool is used inside another tool',
      fix: 'Throw when the signal is aborted (`signal.throwIfAborted()`), and do not catch the rejection.',
    });
  }
  return kept(tried, 'it answered at once: there was no work to save');
}

export const abortDuring: Check = {
  id: 'abort-during',
  title: 'aborted while it works: stops at once, and leaves nothing behind',
  family: 'stop',
  needsAnswer: false,
  async run(subject) {
    const baseline = await subject.baseline();
    if (baseline.answers && baseline.ms < INSTANT_MS && !baseline.hasWaited) {
      return [
        kept('aborted while it works', `it answers in ${duration(baseline.ms)}, and waits for nothing`),
      ];
    }
    const found: Found[] = [];
    for (const moment of momentsOf(baseline)) {
      const one = await confirmed(subject, (known) => abortAt(subject, moment, known));
      found.push(one);
      if (one.verdict === 'broken') break;
    }
    return found;
  },
};

interface Moment {
  readonly tried: string;
  /** How much of its usual time has passed, from 0 to 1. */
  readonly part: number;
  /** Milliseconds more. */
  readonly waitMs?: number;
}

function momentsOf({ ms, answers }: Baseline): Moment[] {
  const atStart = { tried: 'aborted right after it began', part: 0 };
  if (!answers) return [atStart, { tried: 'aborted while it waits', part: 0, waitMs: 100 }];
  if (ms < 2 * INSTANT_MS) return [atStart];
  return [
    atStart,
    { tried: `aborted half way, after about ${duration(ms / 2)}`, part: 0.5 },
    { tried: `aborted just before its end, after about ${duration(ms * 0.9)}`, part: 0.9 },
  ];
}

async function abortAt(
  subject: Subject,
  { tried, part, waitMs = 0 }: Moment,
  { ms: expectedMs }: Baseline,
): Promise<Judged> {
  const afterMs = waitMs + part * expectedMs;
  const observed = await before(afterMs, (waitMs) => {
    const controller = new AbortController();
    const stop = async () => {
      if (waitMs > 0) await sleep(waitMs);
      controller.abort(new DOMException('The user left.', 'AbortError'));
    };
    return whileRunning(subject, stop, () => subject.call({ signal: controller.signal }));
  });
  return judgeStop(tried, observed, { expectedMs, graceMs: subject.options.graceMs });
}

/** Stops a call earlier and earlier, until it is stopped before its end. */
async function before(afterMs: number, attempt: (ms: number) => Promise<Observed>): Promise<Observed> {
  let observed = await attempt(afterMs);
  const earlier = afterMs > 0 ? [afterMs / 2, afterMs / 4] : [];
  for (const ms of earlier) {
    if (wasStopped(observed)) break;
    observed = await attempt(ms);
  }
  return observed;
}

function wasStopped({ executions }: Observed): boolean {
  return executions.some(({ abortedAt }) => abortedAt !== undefined);
}

/** Does something as soon as the tool's code has been called. */
async function whileRunning<T>(
  subject: Subject,
  then: () => Promise<void>,
  run: () => Promise<T>,
): Promise<T> {
  let hasBegun = false;
  subject.recorder.onBegin = () => {
    if (!hasBegun) queueMicrotask(() => void then());
    hasBegun = true;
  };
  try {
    return await run();
  } finally {
    subject.recorder.onBegin = () => {};
  }
}

export const abortAfter: Check = {
  id: 'abort-after',
  title: 'aborted after it has answered: nothing happens',
  family: 'stop',
  needsAnswer: true,
  async run(subject) {
    const tried = 'its signal aborted after it had answered';
    const controller = new AbortController();
    const execution = await subject.callByHand(controller.signal);
    if (execution?.ending?.kind !== 'answered') return [skipped(tried, 'called by hand, it gave no answer')];
    await sleep(WATCHED_MS);
    const before = { requests: execution.requests.length, events: execution.lateEvents.length };
    // What goes wrong in a listener goes to the process, where it is noted.
    controller.abort(new DOMException('The user left.', 'AbortError'));
    await sleep(WATCHED_MS);
    if (execution.requests.length > before.requests || execution.lateEvents.length > before.events) {
      return [
        broken(tried, {
          happened: 'it became active again: it made a request, or emitted an event',
          seen: 'work for a call that was finished long ago',
          fix: 'Remove the listeners the tool has put on `context.signal` when it has settled.',
        }),
      ];
    }
    return [kept(tried, 'nothing happened')];
  },
};

export const deadline: Check = {
  id: 'deadline',
  title: 'meets a deadline while it works: stops at once',
  family: 'stop',
  needsAnswer: false,
  async run(subject) {
    const baseline = await subject.baseline();
    const afterMs = baseline.answers ? baseline.ms / 2 : 100;
    if (afterMs < INSTANT_MS) {
      const happened = `it answers in ${duration(baseline.ms)}: too fast for a deadline`;
      return [kept('a deadline half way', happened)];
    }
    const tried = `a deadline after about ${duration(afterMs)}`;
    return [
      await confirmed(subject, async ({ ms, answers }) => {
        const observed = await before(answers ? ms / 2 : afterMs, (limitMs) =>
          subject.call({ timeoutMs: Math.max(1, Math.round(limitMs)) }),
        );
        return judgeStop(tried, observed, { expectedMs: ms, graceMs: subject.options.graceMs });
      }),
    ];
  },
};
