import type { Check } from '../check.js';
import { broken, clip, duration, kept, shown, warning, type Found } from '../finding.js';
import type { Execution } from '../recorder.js';
import { isAnswered, type Observed } from '../subject.js';
import { sleep } from '../waiting.js';
import type { RunEvent } from '../../../core/events.js';
import type { Run } from '../../../runtime/run-handle.js';
import { isToolResult } from '../../../core/tool.js';

/** What the slow reader takes for one event. */
const READING_MS = 20;
/** A run that takes so much longer with a slow reader was slowed by it. */
const SLOWED_MS = 500;
/** How long the tool is watched for events that come too late. */
const WATCHED_MS = 400;

export const events: Check = {
  id: 'events',
  title: 'streams what it answers, and stops when it has settled',
  family: 'answer',
  needsAnswer: true,
  async run(subject) {
    const tried = 'streamed to a slow reader';
    const baseline = await subject.baseline();
    const ignored: string[] = [];
    const observed = await subject.call({
      streaming: true,
      started: (run) => void readSlowly(run),
      events: (event) => void (isIgnored(event) && ignored.push(event.message)),
    });
    await sleep(WATCHED_MS);
    if (!isAnswered(observed)) return [onlyWithoutStreaming(tried, observed)];
    return [
      ...late(observed.executions),
      ...ignored.slice(0, 1).map((message) => unreadable(tried, message)),
      streamed(tried, observed, baseline.observed.elapsedMs),
    ];
  },
};

function isIgnored(event: RunEvent): event is RunEvent & { type: 'warning' } {
  return event.type === 'warning' && event.code === 'event_ignored';
}

async function readSlowly(run: Run): Promise<void> {
  let read = 0;
  for await (const _event of run.events) {
    if (++read <= 50) await sleep(READING_MS);
  }
}

function streamed(tried: string, { executions, elapsedMs }: Observed, usualMs: number): Found {
  if (elapsedMs > 2 * usualMs + SLOWED_MS) {
    return warning(tried, {
      happened: `the run took ${duration(elapsedMs)} instead of ${duration(usualMs)}`,
      seen: 'a user with a slow connection slows the run down',
      fix: 'Do not wait for whoever reads: `emit` takes an event at once.',
    });
  }
  const streams = executions.filter(({ deltas }) => deltas.length > 0);
  if (streams.length === 0) return kept(tried, 'it emits no deltas');
  const wrong = streams.find((execution) => differs(execution));
  if (!wrong) return kept(tried, 'its deltas add up to its answer');
  return warning(tried, {
    happened: `its deltas add up to ${shown(wrong.deltas.join(''), 60)}, its answer is ${shown(contentOf(wrong), 60)}`,
    seen: 'who watches the answer come sees another one than who waits for it',
    fix: 'Emit every part once, as `{ type: "delta", text }`, and return all of them joined.',
  });
}

/** Whether text was streamed that the answer, which is text, is not made of. */
function differs(execution: Execution): boolean {
  const content = contentOf(execution);
  return typeof content === 'string' && content !== execution.deltas.join('');
}

function contentOf({ ending }: Execution): unknown {
  const value = ending?.kind === 'answered' ? ending.value : undefined;
  return isToolResult(value) ? value.content : value;
}

function late(executions: readonly Execution[]): Found[] {
  const tried = 'watched after it had settled';
  const types = [...new Set(executions.flatMap(({ lateEvents }) => lateEvents))];
  const charges = executions.reduce((sum, { lateCharges }) => sum + lateCharges, 0);
  const found: Found[] = [];
  if (types.length > 0) {
    found.push(
      broken(tried, {
        happened: `it emitted events after it had settled: ${types.join(', ')}`,
        seen: 'an answer that lacks its last part: events that late are dropped',
        fix: 'Let the promise of `execute` settle only when everything has been emitted.',
      }),
    );
  }
  if (charges > 0) {
    found.push(
      broken(tried, {
        happened: 'it charged usage after it had settled',
        seen: 'a bill that is higher than what the budget has counted',
        fix: 'Let the promise of `execute` settle only when everything has been charged.',
      }),
    );
  }
  return found;
}

function unreadable(tried: string, message: string): Found {
  return warning(tried, {
    happened: clip(message),
    seen: 'a warning in the place of the event',
    fix: 'Emit plain JSON objects with a `type`.',
  });
}

function onlyWithoutStreaming(tried: string, { output }: Observed): Found {
  return broken(tried, {
    happened: `it failed, though it answers without: ${clip(output?.error?.message ?? 'no answer')}`,
    seen: 'runs with `streaming: true` fail',
    fix: 'The tool must not depend on whether its events are read.',
  });
}
