import type { Check } from '../check.js';
import { broken, kept, warning, type Found } from '../finding.js';
import type { Execution } from '../recorder.js';
import { nameAll } from '../resources.js';
import { leftBy } from '../stopping.js';
import type { Observed } from '../subject.js';
import { sleep, until } from '../waiting.js';

/** How long is waited for what a tool has left, as it may do something when it ends. */
const WATCHED_MS = 700;
/** And how long for what does not show: a timer that was unreferenced, say. */
const SILENCE_MS = 700;

const PROCESS_EVENTS = ['exit', 'beforeExit', 'SIGINT', 'SIGTERM', 'uncaughtException', 'unhandledRejection'];

export const aftermath: Check = {
  id: 'aftermath',
  title: 'when it has answered it is done: no timer, socket or process of it is left',
  family: 'aftermath',
  needsAnswer: true,
  async run(subject) {
    await subject.baseline();
    const earlier = [...subject.recorder.executions];
    const earlierLeft = await leftBy(earlier);
    const listeners = listenerCount();
    const last = await subject.call();
    const left = await leftBy(last.executions);
    const executions = [...earlier, ...last.executions];
    await until(() => executions.every(({ holdings }) => holdings.left.length === 0), WATCHED_MS);
    await sleep(SILENCE_MS);

    const found = [
      ...(left.length > 0 ? [leftEachTime(nameAll(left))] : []),
      ...(left.length === 0 && earlierLeft.length > 0 ? [leftOnce(nameAll(earlierLeft))] : []),
      ...requestsAfter(last),
      ...(process.cwd() === subject.startedIn ? [] : [moved()]),
      ...(listenerCount() > listeners ? [listens()] : []),
    ];
    return found.length > 0 ? found : [kept(TRIED, 'nothing of it was left')];
  },
};

const TRIED = 'watched after it had answered';

function leftEachTime(what: string): Found {
  return broken(TRIED, {
    happened: `each call leaves behind ${what}`,
    seen: 'memory and handles that grow with every call, and a process that does not end',
    fix: 'Clear timers and close what was opened in a `finally`, before the promise of `execute` settles.',
  });
}

function leftOnce(what: string): Found {
  return warning(TRIED, {
    happened: `an early call leaves behind ${what}; later ones do not`,
    seen: 'a process that does not end by itself',
    fix: 'Where it is shared on purpose (a pool, a cache), call its `unref()`, or give the module a way to close it.',
  });
}

function requestsAfter({ executions }: Observed): Found[] {
  const late = (one: Execution) => one.requests.find(({ at }) => one.settledAt && at > one.settledAt + 1);
  const request = executions.map(late).find((found) => found !== undefined);
  if (!request) return [];
  return [
    broken(TRIED, {
      happened: `it made an HTTP request after it had answered: ${request.method} ${request.url}`,
      seen: 'a cost that no run has counted, and a failure that nobody sees',
      fix: 'Await everything the tool starts before the promise of `execute` settles.',
    }),
  ];
}

function moved(): Found {
  return broken(TRIED, {
    happened: 'it changed the working directory of the process',
    seen: 'other runs read and write files in another place',
    fix: 'Use absolute paths instead of `process.chdir`.',
  });
}

function listens(): Found {
  return warning(TRIED, {
    happened: 'each call adds a listener to `process`',
    seen: 'a MaxListenersExceededWarning after a few calls, and memory that grows',
    fix: 'Remove the listener in a `finally`.',
  });
}

function listenerCount(): number {
  return PROCESS_EVENTS.reduce((sum, event) => sum + process.listenerCount(event), 0);
}
