import { broken, kept, warning, type Found } from '../finding.js';
import { refuses, RETRY_AFTER_S } from '../model-server/scenarios.js';
import type { ModelServer } from '../model-server/server.js';
import type { Subject } from '../subject.js';
import {
  answeredAnyway,
  answerOf,
  describeThrown,
  meet,
  providerCheck,
  retriesItself,
  stillWaiting,
  thrownBy,
} from './provider.js';
import { classifyError, type Failure } from '../../../core/classify.js';

/** The provider wants to be left alone for a while. */
export const provider429 = providerCheck(
  'provider-429',
  'its provider answers 429 with Retry-After: fails, and says when to come back',
  async (subject, server) => {
    const tried = `its provider answered 429, Retry-After ${RETRY_AFTER_S} s`;
    return refused(subject, server, 429, tried, ({ category, retryAfterMs }, thrown) => {
      if (category !== 'rate_limit')
        return lost(tried, thrown, category, 'waits, or goes on calling at full speed');
      if (retryAfterMs !== RETRY_AFTER_S * 1000) {
        return warning(tried, {
          happened: `it threw ${thrown}, without the Retry-After`,
          seen: 'calls that come before the provider wants them, and are refused again',
          fix: 'Put the headers of the response on the error: `Object.assign(error, { status, headers })`.',
        });
      }
      return kept(
        tried,
        `it threw ${thrown}, with its Retry-After`,
        'a retry when the provider is ready for it',
      );
    });
  },
);

export const provider500 = providerCheck(
  'provider-500',
  'its provider answers 500: fails so that Troupe knows to try again',
  async (subject, server) => {
    const tried = 'its provider answered 500';
    return refused(subject, server, 500, tried, ({ category, retryable }, thrown) =>
      retryable
        ? kept(tried, `it threw ${thrown}, which is tried again`)
        : lost(tried, thrown, category, 'is tried again; the run fails at once'),
    );
  },
);

export const provider401 = providerCheck(
  'provider-401',
  'its provider answers 401: fails so that Troupe does not try again',
  async (subject, server) => {
    const tried = 'its provider answered 401';
    return refused(subject, server, 401, tried, ({ category, retryable }, thrown) => {
      if (retryable) {
        return broken(tried, {
          happened: `it threw ${thrown}, which counts as ${category}`,
          seen: 'a key that is wrong is tried again and again',
          fix: 'Put the status of the response on the error: `Object.assign(error, { status, headers })`.',
        });
      }
      if (category !== 'authentication') {
        return warning(tried, {
          happened: `it threw ${thrown}, which counts as ${category}`,
          seen: 'a `failed` run that does not say that the key is wrong',
          fix: 'Put the status of the response on the error: `Object.assign(error, { status, headers })`.',
        });
      }
      return kept(tried, `it threw ${thrown}`, 'a `failed` run with the code authentication');
    });
  },
);

async function refused(
  subject: Subject,
  server: ModelServer,
  status: number,
  tried: string,
  judge: (failure: Failure, thrown: string) => Found,
): Promise<Found[]> {
  const observed = await meet(subject, server, refuses(status));
  const retries = await retriesItself(subject, tried, observed);
  if (retries) return [retries];
  const answer = answerOf(observed);
  if (answer) return [answeredAnyway(tried, answer.content)];
  const thrown = thrownBy(observed);
  if (!thrown) return [stillWaiting(tried, subject.options.timeoutMs)];
  return [judge(classifyError(thrown.error, Date.now()), describeThrown(thrown.error))];
}

function lost(tried: string, thrown: string, category: string, instead: string): Found {
  return broken(tried, {
    happened: `it threw ${thrown}, which counts as ${category}: the status is lost`,
    seen: `nothing ${instead}`,
    fix: 'Put the status and headers of the response on the error: `Object.assign(error, { status, headers })`.',
  });
}
