import { broken, clip, duration, kept, shown, warning, type Found } from '../finding.js';
import { halfAnswer, otherJson, page, slowly } from '../model-server/scenarios.js';
import type { ModelServer, Scenario } from '../model-server/server.js';
import type { Subject } from '../subject.js';
import { isAnswered } from '../subject.js';
import {
  answerOf,
  describeThrown,
  meet,
  providerCheck,
  retriesItself,
  stillWaiting,
  thrownBy,
} from './provider.js';

export const providerCut = providerCheck(
  'provider-cut',
  'its provider’s answer is cut off in the middle: is not taken for whole',
  async (subject, server) => [
    await cut(subject, server, 'broken', 'the connection broke in the middle of an answer'),
    await cut(subject, server, 'clean', 'an answer ended in the middle, without a word'),
  ],
);

async function cut(
  subject: Subject,
  server: ModelServer,
  ending: 'broken' | 'clean',
  tried: string,
): Promise<Found> {
  return mustFail(subject, server, halfAnswer(server, ending), tried, (content) =>
    broken(tried, {
      happened: `it answered with what had come: ${shown(content, 80)}`,
      seen: 'half an answer that looks like a whole one',
      fix:
        ending === 'broken'
          ? 'Let the error of the stream through.'
          : 'Look for what says that the answer is whole (`finish_reason`, `[DONE]`, `message_stop`), and throw without it.',
    }),
  );
}

export const providerNonsense = providerCheck(
  'provider-nonsense',
  'its provider answers 200 with nonsense: is not taken for an answer',
  async (subject, server) => [
    await nonsense(subject, server, page, 'its provider answered 200 with a web page'),
    await nonsense(subject, server, otherJson, 'its provider answered 200 with other JSON'),
  ],
);

async function nonsense(
  subject: Subject,
  server: ModelServer,
  scenario: Scenario,
  tried: string,
): Promise<Found> {
  const speaksKnownApi = server.log.some(({ dialect }) => dialect !== 'other');
  return mustFail(subject, server, scenario, tried, (content) => {
    const fault = {
      happened: `it answered with ${shown(content, 80)}`,
      seen: 'nonsense, or nothing, that looks like an answer',
      fix: 'Check the shape of what the provider gives (an `output` schema does), and throw what is wrong with it.',
    };
    // Of an API that we do not know, JSON of another shape may be an answer.
    const isPlain = typeof content === 'object' && content !== null && scenario === otherJson;
    return !speaksKnownApi && isPlain ? warning(tried, fault) : broken(tried, fault);
  });
}

/** The provider has given no answer, so the tool has none. */
async function mustFail(
  subject: Subject,
  server: ModelServer,
  scenario: Scenario,
  tried: string,
  wrong: (content: unknown) => Found,
): Promise<Found> {
  const observed = await meet(subject, server, scenario);
  const retries = await retriesItself(subject, tried, observed);
  if (retries) return retries;
  const answer = answerOf(observed);
  // What its own `output` schema refuses reaches no user.
  if (answer && isAnswered(observed)) return wrong(answer.content);
  const thrown = thrownBy(observed);
  if (!answer && !thrown) return stillWaiting(tried, subject.options.timeoutMs);
  if (!thrown) {
    return kept(tried, clip(observed.output?.error?.message ?? 'its answer was refused'), 'a `failed` run');
  }
  if (thrown.error instanceof TypeError && thrown.error.cause === undefined) {
    return warning(tried, {
      happened: `it threw ${describeThrown(thrown.error)}`,
      seen: 'a `failed` run that reads like a mistake in the tool, not like one of its provider',
      fix: 'Check the shape of what the provider gives, and throw an error that names what is missing.',
    });
  }
  return kept(tried, `it threw ${describeThrown(thrown.error)}`, 'a `failed` run');
}

/** Slow enough to be noticed, and no reason to give up. */
const SLOW_MS = 300;

export const providerSlow = providerCheck(
  'provider-slow',
  'its provider takes its time: is waited for',
  async (subject, server) => {
    const tried = `its provider took ${duration(SLOW_MS)} more to answer`;
    const observed = await meet(subject, server, slowly(server, SLOW_MS));
    if (isAnswered(observed)) return [kept(tried, `it answered after ${duration(observed.elapsedMs)}`)];
    return [
      warning(tried, {
        happened: `it did not wait: ${clip(observed.output?.error?.message ?? 'no answer')}`,
        seen: 'runs that fail although there was time left',
        fix: 'Leave limits of time to `attemptTimeoutMs` and `timeoutMs` of the run.',
      }),
    ];
  },
);
