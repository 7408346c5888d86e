import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { startServer } from '../../scripts/restate-server.mjs';
import { Troupe, type Logger } from '../../src/index.js';
import { restateClient, restateEndpoint } from '../../src/restate/index.js';
import { fail, ok, scriptedTool, slow } from '../../src/testing/index.js';
import { aServer, until } from './scene.js';

const scene = aServer();

interface Manifest {
  readonly services: readonly { readonly name: string; readonly inactivityTimeout?: number }[];
}

async function manifestOf(endpoint: ReturnType<typeof restateEndpoint>): Promise<Manifest> {
  const accept = 'application/vnd.restate.endpointmanifest.v4+json';
  const answer = await endpoint.fetch(new Request('http://127.0.0.1/discover', { headers: { accept } }));
  return (await answer.json()) as Manifest;
}

/** The alphabet of Bitcoin's addresses, in which Restate writes its keys. */
const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function base58(bytes: Buffer): string {
  let value = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (; value > 0n; value /= 58n) text = BASE58[Number(value % 58n)]! + text;
  return text;
}

function identity(): { pem: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { pem, publicKey: `publickeyv1_${base58(raw)}` };
}

describe('an endpoint', () => {
  it('with identity keys lets in the server that has the key, and no other', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'troupe-identity-'));
    const { pem, publicKey } = identity();
    const file = path.join(folder, 'key.pem');
    writeFileSync(file, pem);
    const known = await startServer({ RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE: file });
    const troupe = new Troupe({ tools: [scriptedTool('t', [ok('in')])] });
    const endpoint = restateEndpoint(troupe, { identityKeys: [publicKey] });
    const port = await endpoint.listen(0, '127.0.0.1');
    try {
      await expect(scene.server.register(`http://127.0.0.1:${port}`)).rejects.toThrow(
        /could not be registered/u,
      );
      await known.register(`http://127.0.0.1:${port}`);
      const output = await restateClient({ ingress: known.ingress }).run({ toolName: 't', request: {} });
      expect(output.content).toBe('in');
    } finally {
      await endpoint.close();
      await troupe.close();
      await known.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it('is mounted fetch style in an app', async () => {
    const troupe = new Troupe({
      tools: [scriptedTool('mounted', [fail(503), ok('there')])],
      reliability: { initialDelayMs: 10 },
    });
    const endpoint = restateEndpoint(troupe);
    const app = createServer((incoming, outgoing) => {
      const { method = 'GET', url = '/', headers } = incoming;
      const body =
        method === 'GET' ? {} : { body: Readable.toWeb(incoming) as ReadableStream, duplex: 'half' as const };
      const request = new Request(`http://127.0.0.1${url}`, {
        method,
        headers: headers as Record<string, string>,
        ...body,
      });
      void endpoint.fetch(request).then((response) => {
        response.headers.forEach((value, name) => outgoing.setHeader(name, value));
        outgoing.writeHead(response.status);
        if (response.body) Readable.fromWeb(response.body as never).pipe(outgoing);
        else outgoing.end();
      });
    }).listen(0, '127.0.0.1');
    await once(app, 'listening');
    const uri = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
    const answer = await fetch(`${scene.server.admin}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri, use_http_11: true }),
    });
    expect(answer.status).toBe(201);
    const output = await restateClient({ ingress: scene.server.ingress }).run({
      toolName: 'mounted',
      request: {},
    });
    expect(output).toMatchObject({ status: 'completed', content: 'there', metadata: { attempts: 2 } });
    app.closeAllConnections();
    app.close();
    await troupe.close();
  });

  it('says what it works on, and leaves it to others when it is closed', async () => {
    const tool = scriptedTool('closing', [slow(60_000), ok('elsewhere')]);
    const make = () => new Troupe({ tools: [tool] });
    const first = restateEndpoint(make());
    const port = await first.listen();
    await scene.server.register(`http://127.0.0.1:${port}`);
    const run = restateClient({ ingress: scene.server.ingress }).start({ toolName: 'closing', request: {} });
    await until(() => tool.calls.length === 1, 'its call is in flight');
    expect(first.activeInvocations).toBe(1);
    await first.close();
    await until(() => tool.calls[0]!.aborted, 'the call was told to stop');
    expect(first.activeInvocations).toBe(0);
    const second = restateEndpoint(make());
    await second.listen(port);
    expect((await run.output).content).toBe('elsewhere');
    expect(tool.calls[1]!.context.idempotencyKey).toBe(tool.calls[0]!.context.idempotencyKey);
    await second.close();
  });

  it('is not made of wrong options', () => {
    const troupe = new Troupe();
    expect(() => restateEndpoint({} as never)).toThrow(/takes a Troupe/u);
    expect(() => restateEndpoint(troupe, { identityKeys: ['secret'] })).toThrow(/identityKeys/u);
    expect(() => restateEndpoint(troupe, { maxCrashRetries: 0 })).toThrow(/maxCrashRetries/u);
    expect(() => restateEndpoint(troupe, { keys: [] } as never)).toThrow(/keys/u);
    expect(() => restateEndpoint(troupe, { planner: {} as never })).toThrow(/planner.*plan\(request/u);
    expect(() => restateClient({ ingress: 'nowhere' })).toThrow(/ingress/u);
    expect(() =>
      restateClient({ ingress: 'http://127.0.0.1:1', reliability: { breaker: false } as never }),
    ).toThrow(/breaker.*belong to the Troupe/u);
    expect(() =>
      restateClient({ ingress: 'http://127.0.0.1:1', reliability: { classify: () => 'server' } }),
    ).toThrow(/classify.*function/u);
  });

  it('warns where everybody can reach it', async () => {
    const warned: string[] = [];
    const log = () => {};
    const logger: Logger = { debug: log, info: log, warn: (message) => warned.push(message), error: log };
    const endpoint = restateEndpoint(new Troupe({ logger }));
    await endpoint.listen(0, '0.0.0.0');
    await expect(endpoint.listen()).rejects.toThrow(/listens already/u);
    await endpoint.close();
    expect(warned).toEqual([expect.stringContaining('identityKeys')]);
  });
});

describe('what an endpoint asks of Restate', () => {
  it('is no pause before a call counts as hung: a call that was asked for one hears of no deadline', async () => {
    const { services } = await manifestOf(restateEndpoint(new Troupe(), { hungAfterMs: 120_000 }));
    const working = services.filter(({ name }) => name === 'TroupeRun' || name === 'TroupeReplicate');
    expect(working.map(({ inactivityTimeout }) => inactivityTimeout)).toEqual([120_000, 120_000]);
  });
});
