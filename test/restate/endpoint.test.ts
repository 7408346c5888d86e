import { describe, expect, it } from 'vitest';
import { Troupe } from '../../src/index.js';
import { restateEndpoint } from '../../src/restate/index.js';

interface Manifest {
  readonly services: readonly { readonly name: string; readonly inactivityTimeout?: number }[];
}

async function manifestOf(endpoint: ReturnType<typeof restateEndpoint>): Promise<Manifest> {
  const accept = 'application/vnd.restate.endpointmanifest.v4+json';
  const answer = await endpoint.fetch(new Request('http://127.0.0.1/discover', { headers: { accept } }));
  return (await answer.json()) as Manifest;
}

describe('what an endpoint asks of Restate', () => {
  it('is no pause before a call counts as hung: a call that was asked for one hears of no deadline', async () => {
    const { services } = await manifestOf(restateEndpoint(new Troupe(), { hungAfterMs: 120_000 }));
    const working = services.filter(({ name }) => name === 'TroupeRun' || name === 'TroupeReplicate');
    expect(working.map(({ inactivityTimeout }) => inactivityTimeout)).toEqual([120_000, 120_000]);
  });
});
