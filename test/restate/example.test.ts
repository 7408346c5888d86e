import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { linkTroupe } from '../../bench/service/world.mjs';

const example = path.join(import.meta.dirname, '../../examples/restate');

it('examples/restate: two instances, one killed in the midst of a bundle, and the answer comes', async () => {
  linkTroupe(example);
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(example, 'main.js')], {
    timeout: 55_000,
  });
  expect(stdout).toMatch(/kill/iu);
});
