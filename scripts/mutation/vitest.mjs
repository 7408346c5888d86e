/** What the tests use of `vitest`, for a process that is no worker of Vitest's: its own runner, matchers and spies. */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from '@vitest/expect';
import { getCurrentTest } from '@vitest/runner';
import { fn, spyOn } from '@vitest/spy';

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from '@vitest/runner';
export const vi = { fn, spyOn };

export const expect = (value, message) => {
  const assertion = chai.expect(value, message);
  const test = getCurrentTest();
  return test ? assertion.withTest(test) : assertion;
};
Object.assign(expect, chai.expect, globalThis[ASYMMETRIC_MATCHERS_OBJECT]);
