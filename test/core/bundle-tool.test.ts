import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  bundleProblem,
  BundleTool,
  isBundleTool,
  isSupervised,
  ownBundle,
  ownCalls,
  schemaAt,
  takesOver,
  type AnyBundleTool,
} from '../../src/core/bundle-tool.js';
import { InvalidOptionsError } from '../../src/core/errors.js';
import type { EvidenceBundle } from '../../src/core/evidence/bundle.js';
import type { JsonValue } from '../../src/core/json.js';
import { checkSchema } from '../../src/core/schema.js';
import { defineTool, ToolResult, type ToolContext } from '../../src/core/tool.js';

const context = {} as ToolContext;

class Asking extends BundleTool {
  readonly name: string = 'asking';
  override replicate() {
    return 'answer';
  }
}
class Empty extends BundleTool {
  readonly name = 'empty';
}
class Making extends BundleTool {
  readonly name = 'making';
  constructor(readonly bundle: unknown = {}) {
    super();
  }
  protected override executeBundle() {
    return Promise.resolve(this.bundle as EvidenceBundle);
  }
}
class Executing extends BundleTool {
  readonly name = 'executing';
  override execute() {
    return Promise.resolve(new ToolResult({ evidenceBundle: {} as EvidenceBundle }, undefined, undefined));
  }
}
const plain = defineTool({ name: 'plain', execute: () => 1 });

describe('what is a bundle tool', () => {
  it('is one of ours, also of another copy of the package', () => {
    expect([new Asking(), new Making(), plain].map(isBundleTool)).toEqual([true, true, false]);
    expect(isBundleTool({ [Symbol.for('troupe.bundleTool')]: true } as never)).toBe(true);
    expect(isBundleTool({ [Symbol.for('troupe.bundleTool')]: 'yes' } as never)).toBe(false);
  });

  it('takes over with either of two methods', () => {
    expect([new Asking(), new Empty(), new Making(), new Executing()].map(takesOver)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    // A property that is no method is no default either.
    expect(takesOver(Object.assign(new Asking(), { execute: 5 as never }))).toBe(true);
  });

  it('is supervised unless it takes over', () => {
    expect([new Asking(), new Making(), new Executing(), plain].map(isSupervised)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('takes over no less for being of another copy of the package', () => {
    const marked = Object.defineProperty(() => 1, Symbol.for('troupe.bundleTool.default'), { value: true });
    const foreign = { execute: marked, executeBundle: marked } as unknown as AnyBundleTool;
    expect(takesOver(foreign)).toBe(false);
  });
});

describe('why a tool cannot make bundles', () => {
  it('is nothing where it can', () => {
    expect([new Asking(), new Making(), new Executing()].map(bundleProblem)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const own = { equivalent: () => true, shouldStop: () => true, embed: () => null, calibrate: () => 1 };
    expect(bundleProblem(Object.assign(new Asking(), own))).toBeUndefined();
    expect(bundleProblem(Object.assign(new Making(), { equivalent: 5 }) as never)).toBeUndefined();
  });

  it('is that it has no way to', () => {
    expect(bundleProblem(new Empty())).toBe(
      'The bundle tool "empty" has neither `replicate` nor `executeBundle`. Give it `replicate(request, draw, context)`.',
    );
  });

  it.each(['equivalent', 'shouldStop', 'embed', 'calibrate'])('is that its `%s` is no function', (name) => {
    expect(bundleProblem(Object.assign(new Asking(), { [name]: 5 }))).toBe(
      `\`${name}\` of the bundle tool "asking" must be a function.`,
    );
  });
});

describe('a bundle tool that is executed', () => {
  it('gives its bundle with what it used', async () => {
    const used = { usageTotal: { calls: 2 } };
    const result = await new Making(used).execute(null, {}, context);
    expect({ ...result }).toEqual({
      content: { evidenceBundle: used },
      usage: { calls: 2 },
      metadata: undefined,
    });
    for (const bundle of [{}, null]) {
      expect((await new Making(bundle).execute(null, {}, context)).usage).toBeUndefined();
    }
  });

  it('by hand is refused, where the supervisor would do it', async () => {
    const refused = new Asking().execute(null, {}, context);
    await expect(refused).rejects.toBeInstanceOf(InvalidOptionsError);
    await expect(refused).rejects.toThrow(
      'The bundle tool "asking" cannot be called by hand: give it to `run()`, or to `context.run()` inside a tool.',
    );
  });
});

describe('what a bundle of the tool supports', () => {
  const bundleOf = (...statuses: string[]) => ({
    evidenceBundle: { replicates: statuses.map((status) => ({ status })), summary: {} },
  });

  it('follows from its valid replicates', () => {
    const problem = 'None of its 3 replicates is valid.';
    const own = (...statuses: string[]) => ownBundle(new Making(), bundleOf(...statuses));
    expect(own('valid', 'valid', 'failed')).toEqual({ status: 'completed', problem });
    expect(own('valid', 'invalid', 'failed')).toEqual({ status: 'partial', problem });
    expect(own('invalid', 'failed', 'failed')).toEqual({ status: 'failed', problem });
  });

  it('is nothing for a tool that makes none by itself', () => {
    expect(ownBundle(new Asking(), bundleOf('valid'))).toBeUndefined();
    expect(ownBundle(plain, bundleOf('valid'))).toBeUndefined();
  });

  it.each<[JsonValue]>([
    [null],
    ['text'],
    [{}],
    [{ evidenceBundle: null }],
    [{ evidenceBundle: { replicates: [] } }],
    [{ evidenceBundle: { replicates: [], summary: null } }],
    [{ evidenceBundle: { replicates: [], summary: 'text' } }],
    [{ evidenceBundle: { replicates: {}, summary: {} } }],
    [{ evidenceBundle: { summary: {} } }],
  ])('is nothing good for %j', (content) => {
    expect(ownBundle(new Making(), content)).toEqual({
      status: 'failed',
      problem:
        'It gave no evidence bundle: an object with a list `replicates` and an object `summary` was expected.',
    });
  });
});

describe('the calls that a bundle says it made', () => {
  const callsOf = (calls: unknown) =>
    ownCalls(new Making(), { evidenceBundle: { usageTotal: { calls } } } as JsonValue);

  it('are a whole number from 0 on', () => {
    expect([0, 5, -1, 1.5, '5', null].map(callsOf)).toEqual([
      0,
      5,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('are unknown where it says nothing', () => {
    for (const content of [null, 'text', {}, { evidenceBundle: null }, { evidenceBundle: {} }]) {
      expect(ownCalls(new Making(), content as JsonValue)).toBeUndefined();
    }
    expect(ownCalls(plain, { evidenceBundle: { usageTotal: { calls: 1 } } })).toBeUndefined();
  });
});

describe('the schema that schemaUri names', () => {
  const NUMBER = '{"type":"number"}';
  const at = (uri: string | undefined, schemas?: Record<string, unknown>, name?: string) =>
    schemaAt(Object.assign(new Asking(), schemas && { schemas }) as AnyBundleTool, uri, name);
  const accepts = (uri: string, schemas?: Record<string, unknown>) =>
    [5, 'five'].map((value) => (checkSchema(at(uri, schemas), value) as { ok: boolean }).ok);

  it('is none where none is named, or none is known', () => {
    expect(at(undefined)).toBeUndefined();
    expect(at('mine')).toBeUndefined();
    expect(at('mine', {})).toBeUndefined();
    expect(at('toString', {})).toBeUndefined();
    expect(at('https://example.com/data:')).toBeUndefined();
  });

  it("is one of the tool's, a JSON Schema too", () => {
    const mine = z.string();
    expect(at('mine', { mine })).toBe(mine);
    expect(accepts('mine', { mine: { type: 'number' } })).toEqual([true, false]);
    expect(accepts(`data:,${NUMBER}`, { [`data:,${NUMBER}`]: { type: 'string' } })).toEqual([false, true]);
  });

  it.each([
    [`data:,${encodeURIComponent(NUMBER)}`],
    [`data:application/schema+json,${NUMBER}`],
    [`data:application/json;base64,${btoa(NUMBER)}`],
    [`data:application/json; BASE64 ,${btoa(NUMBER)}`],
    ['data:,{"const":5,"type":"number"}'],
  ])('is in the URI %s', (uri) => {
    expect(accepts(uri)).toEqual([true, false]);
  });

  it('is text where base64 stands somewhere else', () => {
    expect(accepts(`data:text/base64,${NUMBER}`)).toEqual([true, false]);
    expect(accepts(`data:x;base64;charset=utf-8,${NUMBER}`)).toEqual([true, false]);
  });

  it('is refused where there is none in it', () => {
    expect(() => at('data:json')).toThrow(InvalidOptionsError);
    expect(() => at('data:json')).toThrow(
      'Option `toolOptions.schemaUri` names no usable schema (data:json): a `data:` URI has a comma before its data.',
    );
    const long = `data:,${'x'.repeat(100)}`;
    expect(() => at(long, undefined, 'options')).toThrow(
      `Option \`options.schemaUri\` names no usable schema (${long.slice(0, 80)}): `,
    );
    expect(() => at('bad', { bad: { type: 'nonsense' } })).toThrow(/names no usable schema \(bad\): .+/);
    expect(() => at('data:,{')).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) }));
  });
});
