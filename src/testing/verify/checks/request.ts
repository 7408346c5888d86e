import type { Check } from '../check.js';
import { broken, kept, shown, skipped, warning, type Found } from '../finding.js';
import type { Subject } from '../subject.js';
import { isAnswered } from '../subject.js';
import type { JsonValue } from '../../../core/json.js';
import { checkSchema } from '../../../core/schema.js';

/** What hardly any tool takes for a request. */
const WRONG: readonly JsonValue[] = [{ 'no such field': { nested: [1] } }, {}, [], [[null]], null, 0, true];

export const request: Check = {
  id: 'request',
  title: 'leaves its request as it is, and refuses a wrong one',
  family: 'answer',
  needsAnswer: true,
  async run(subject) {
    return [await inPlace(subject), await refused(subject)];
  },
};

async function inPlace(subject: Subject): Promise<Found> {
  const tried = 'its request and options, before and after';
  const { observed } = await subject.baseline();
  const changed = [...new Set(observed.executions.flatMap((execution) => execution.changed))];
  if (changed.length === 0) return kept(tried, 'it left both as they were');
  return warning(tried, {
    happened: `it changed its ${changed.join(' and its ')} in place`,
    seen: 'nothing with Troupe, which gives every call a copy; elsewhere the next attempt gets the changed one',
    fix: 'Work on a copy: `{ ...request }`.',
  });
}

async function refused(subject: Subject): Promise<Found> {
  const { input } = subject.tool;
  if (input === undefined) {
    return skipped('a wrong request', 'the tool has no `input` schema');
  }
  for (const wrong of WRONG) {
    if ((await checkSchema(input, wrong)).ok) continue;
    const tried = `the request ${shown(wrong)}, which its \`input\` schema refuses`;
    const observed = await subject.call({ request: wrong });
    if (observed.executions.length === 0 && !isAnswered(observed)) {
      return kept(
        tried,
        'it was refused, and the tool was not called',
        'a `failed` run with the code validation',
      );
    }
    return broken(tried, {
      happened: 'its code was called all the same',
      seen: 'a wrong request reaches the provider',
      fix: 'The `input` schema must give the same verdict each time it is asked.',
    });
  }
  return skipped('a wrong request', 'its `input` schema takes whatever was tried');
}
