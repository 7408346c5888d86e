import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { caseOf, anyCase, type Case } from './random-cases.js';
import { aServer, bothWays, storyOf } from './scene.js';
import { troupeOf } from './scenarios.js';

/** `TROUPE_FUZZ_CASES=1000 TROUPE_FUZZ_SEED=7 npm run test:restate test/restate/fuzz.test.ts` looks further. */
const CASES = Number(process.env['TROUPE_FUZZ_CASES'] ?? 60);
const SEED = Number(process.env['TROUPE_FUZZ_SEED'] ?? 20_261_126);

const scene = aServer();

function withoutUndefined<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

async function tell(name: string, found: Case, rereads = false) {
  const { make, args } = caseOf(found);
  return bothWays(
    scene.server,
    () => troupeOf(name, make()),
    async (orchestrator) => {
      const stories = [];
      for (let run = 0; run < found.runs; run++) stories.push(await storyOf(orchestrator, args));
      return stories;
    },
    { reliable: found.isReliable, rereads },
  );
}

describe(`random scripts under random options (seed ${SEED})`, () => {
  const cases = fc.sample(anyCase, { numRuns: CASES, seed: SEED }).map(withoutUndefined);
  it.each(cases.map((found, index) => [index, found] as const))(
    'case %i tells the same story',
    async (index, found) => {
      const { process, restate } = await tell(`random ${SEED} ${index}`, found);
      expect(restate, JSON.stringify(found, null, 1)).toEqual(process);
    },
  );
});
