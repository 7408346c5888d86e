import { describe, expect, it } from 'vitest';
import { variantsOf } from '../../../src/testing/verify/variants.js';

describe('variantsOf', () => {
  it('differ in one leaf, texts before numbers', () => {
    const [byText, byNumber] = variantsOf({ n: 1, list: ['a', true] });
    expect(byText!.slice(0, 2)).toEqual([
      { marker: 'verify-amber', request: { n: 1, list: ['a verify-amber', true] } },
      { marker: 'verify-birch', request: { n: 1, list: ['a verify-birch', true] } },
    ]);
    expect(byNumber!.map(({ request }) => (request as { n: number }).n)).toEqual([1, 2, 3, 4, 5]);
  });

  it('a text by itself; nothing to vary; no more leaves than asked for', () => {
    expect(variantsOf('hi')[0]![0]).toEqual({ marker: 'verify-amber', request: 'hi verify-amber' });
    expect(variantsOf({ a: null, b: [] })).toEqual([]);
    expect(variantsOf(['a', 'b', 'c', 'd'], 2)).toHaveLength(2);
  });

  it('leaves the request as it is, and no marker is a part of another', () => {
    const request = { a: { b: 'x' } };
    const [variants] = variantsOf(request);
    expect(request).toEqual({ a: { b: 'x' } });
    const markers = variants!.map(({ marker }) => marker);
    for (const marker of markers) expect(markers.filter((other) => other.includes(marker))).toEqual([marker]);
  });
});
