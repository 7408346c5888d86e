import { describe, expect, it } from 'vitest';
import { BundleTool, defineTool, Tool } from '../../../src/index.js';
import { pickTool } from '../../../src/testing/index.js';

const ready = defineTool({ name: 'ready', execute: () => 1 });

class Made extends Tool<unknown, string> {
  readonly name = 'made';
  execute() {
    return this.name;
  }
}

class Votes extends BundleTool {
  readonly name = 'votes';
  override replicate() {
    return 'x';
  }
}

describe('pickTool', () => {
  it.each([
    ['a tool', { default: ready }, 'ready'],
    ['a promise of one', { default: Promise.resolve(ready) }, 'ready'],
    ['a class', { default: Made }, 'made'],
    ['a bundle tool', { Votes }, 'votes'],
    ['a function', { default: function shout() {} }, 'shout'],
    [
      'a function without a name',
      {
        default: (
          () => () =>
            1
        )(),
      },
      'file',
    ],
    ['an object with execute', { default: { name: 'plain', execute: () => 1 } }, 'plain'],
    ['an object with execute, without a name', { default: { execute: () => 1 } }, 'file'],
    ['a class that only looks like a tool', { default: class { name = 'alike'; execute() {} } }, 'alike'], // prettier-ignore
    ['CommonJS', { default: { ready, version: 1 } }, 'ready'],
    ['CommonJS with a default inside', { default: { default: ready } }, 'ready'],
    ['the only tool among functions', { helper: () => 1, ready }, 'ready'],
    ['the only function', { shout() {}, version: 1 }, 'shout'],
  ])('%s', async (_name, module, expected) => {
    expect((await pickTool(module, { fallbackName: 'file' })).name).toBe(expected);
  });

  it('keeps what an object says about itself, and its `this`', async () => {
    const given = { name: 'own', version: '3', limit: 5, estimate() { return { tokens: this.limit }; }, execute() { return this.limit; } }; // prettier-ignore
    const tool = await pickTool({ default: given });
    expect(tool.version).toBe('3');
    expect(tool.estimate!({}, {})).toEqual({ tokens: 5 });
    expect(tool.execute({}, {}, {} as never)).toBe(5);
  });

  it.each([
    [{}, undefined, 'There is no tool in it. It exports nothing.'],
    [{ a: 1 }, undefined, 'It exports "a".'],
    [{ a: ready, b: Made }, undefined, 'There are several tools in it: a, b.'],
    [{ a: ready }, 'b', 'There is no export "b". It exports "a".'],
    [{ a: 1 }, 'a', 'The export "a" is no tool: it is number.'],
    [{ default: { run: 1 } }, undefined, 'There is no tool in it. It exports "run".'],
    [{ default: class extends Tool { name = 'x'; constructor() { super(); throw new Error('a key, please'); } execute() {} } }, undefined, 'cannot be made without arguments (a key, please)'], // prettier-ignore
  ])('%o, %s: says what is wrong', async (module, name, message) => {
    const picked = pickTool(module as Record<string, unknown>, name === undefined ? {} : { name });
    await expect(picked).rejects.toMatchObject({ name: 'InvalidOptionsError' });
    await expect(picked).rejects.toThrow(message);
  });
});
