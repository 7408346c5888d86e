import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/index.js';
import { answers, bundleFrom, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const KINDS: Record<string, JsonValue> = {
  null: null,
  text: 'forty-two',
  'the empty text': '',
  number: 42.5,
  zero: 0,
  true: true,
  false: false,
  list: [1, 'two', null, [3]],
  'the empty list': [],
  object: { a: { b: [{ c: null }] }, 'odd/key~': 1 },
  'the empty object': {},
};

describe('an answer of a replicate may be any JSON:', () => {
  for (const [kind, answer] of Object.entries(KINDS)) {
    it(`${kind} is a valid answer, kept as it is, and has a vote`, async () => {
      const bundle = await bundleFrom(() => structuredClone(answer));
      expect(bundle.replicates.map(({ status, data }) => ({ status, data }))).toEqual([
        { status: 'valid', data: answer },
        { status: 'valid', data: answer },
      ]);
      expect(bundle.meta).toMatchObject({ issued: 2, valid: 2, stopReason: 'posterior' });
      expect(bundle.summary).toMatchObject({ consensus: answer, leader: answer, disagreements: [] });
      // Two fields: the union bound over both.
      expect(bundle.summary.confidence).toBe(kind === 'object' ? 0.75 : 0.875);
    });

    it(`${kind} can lose a vote and can win one`, async () => {
      const other = 'something else';
      const lost = await bundleFrom(answers(other, answer, other));
      expect(lost.summary.leader).toEqual(other);
      const won = await bundleFrom(answers(answer, other, answer));
      expect(won.meta).toMatchObject({ issued: 3, valid: 3 });
      expect(won.summary.leader).toEqual(answer);
    });
  }

  it('undefined is null', async () => {
    const bundle = await bundleFrom(answers(undefined, null));
    expect(bundle.replicates.map(({ data }) => data)).toEqual([null, null]);
    expect(bundle.meta.stopReason).toBe('posterior');
  });

  it('null, false, 0, the empty text, list and object are six answers, not one', async () => {
    const bundle = await bundleFrom(answers(null, false, 0, '', [], {}), { k: 6, stopping: 'fixed' });
    expect(bundle.meta.valid).toBe(6);
    const values = bundle.summary.disagreements.flatMap(({ values }) => values);
    expect(values.map(({ count }) => count).every((count) => count === 1)).toBe(true);
    expect(bundle.summary.leader).toBeNull();
  });

  it('objects whose keys come in another order are one answer', async () => {
    const bundle = await bundleFrom(answers({ a: 1, b: 2 }, { b: 2, a: 1 }));
    expect(bundle.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
    expect(bundle.summary.disagreements).toEqual([]);
  });

  it('what is no JSON is no answer: the replicate is invalid, and says why', async () => {
    const wrong: Record<string, unknown> = { nan: NaN, map: new Map(), fn: () => 1, big: 1n };
    const bundle = await bundleFrom(answers(...Object.values(wrong)), { k: 4, stopping: 'fixed' }).catch(
      () => undefined,
    );
    expect(bundle?.replicates.map(({ status }) => status)).toEqual(Array(4).fill('invalid'));
    for (const { data, quality } of bundle!.replicates) {
      expect(data).toBeNull();
      expect(quality.valid).toBe(false);
      expect(quality.errors[0]).toMatch(/JSON|cannot hold/);
    }
  });

  it('a date is its ISO text, and a toJSON is honoured', async () => {
    const bundle = await bundleFrom(answers(new Date(0), { toJSON: () => '1970-01-01T00:00:00.000Z' }));
    expect(bundle.replicates.map(({ data }) => data)).toEqual(Array(2).fill('1970-01-01T00:00:00.000Z'));
  });

  it('one over `maxOutputBytes` is invalid, and the others decide', async () => {
    const { go } = stage(answers('x'.repeat(2000), 'A', 'A'), {}, { maxOutputBytes: 1000 });
    const output = await go();
    expect(output.status).toBe('completed');
    expect(bundleOf(output).replicates.map(({ status }) => status)).toEqual(['invalid', 'valid', 'valid']);
    expect(bundleOf(output).replicates[0]!.quality.errors[0]).toContain('1000 bytes');
  });

  it('the bundle as a whole may be larger than `maxOutputBytes`', async () => {
    const { go } = stage(({ index }) => `${index}`.repeat(800), {}, { maxOutputBytes: 1000 });
    const output = await go({ k: 10, stopping: 'fixed' });
    expect(output.status).toBe('completed');
    expect(JSON.stringify(output.content).length).toBeGreaterThan(8000);
  });

  it('beyond `bundleLimits.answerBytes` an answer counts, and is left out, with a warning', async () => {
    const { sim, start } = stage(answers('x'.repeat(100)));
    const run = start({ k: 3, stopping: 'fixed', bundleLimits: { answerBytes: 250 } });
    await sim.runToIdle();
    const bundle = bundleOf(await run.output);
    expect(bundle.replicates.map(({ data }) => data?.toString().length)).toEqual([100, 100, undefined]);
    expect(bundle.replicates[2]).toMatchObject({ status: 'valid', data: null, quality: { valid: true } });
    expect(bundle.replicates[2]!.quality.warnings.join()).toContain('answerBytes');
    expect(bundle.summary).toMatchObject({ leader: 'x'.repeat(100), truncated: true });
    expect(bundle.summary.truncationInfo).toContainEqual({ part: 'answers', shown: 2, total: 3 });
    expect(ofType(await eventsOf(run), 'bundle_ready')[0]!.data).toMatchObject({ valid: 3 });
  });
});
