import http from 'node:http';
import https, { get } from 'node:https';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelServer, redirectHttp, settingsFor } from '../../../src/testing/index.js';

let server: ModelServer;
let restore: () => void;
beforeEach(async () => {
  server = await ModelServer.start();
  restore = redirectHttp(server);
});
afterEach(async () => {
  restore();
  await server.close();
});

const CHAT = { messages: [{ role: 'user', content: 'Why?' }] };

async function post(path: string, body: object): Promise<any> {
  const response = await fetch(`https://api.example${path}`, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return response.headers.get('content-type') === 'application/json' ? JSON.parse(text) : text;
}

/** Reads a response of node:http. */
function textOf(request: http.ClientRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response
        .setEncoding('utf8')
        .on('data', (piece: string) => (text += piece))
        .on('end', () => resolve(text));
    });
  });
}

describe('the model server', () => {
  it('speaks the usual APIs, in one piece', async () => {
    const chat = await post('/v1/chat/completions', CHAT);
    expect(chat.choices[0].message).toEqual({ role: 'assistant', content: 'You said: Why?' });
    expect(chat.usage).toEqual({ prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 });
    expect((await post('/v1/messages', CHAT)).content).toEqual([{ type: 'text', text: 'You said: Why?' }]);
    expect((await post('/v1/responses', { input: 'Why?' })).output[0].content[0].text).toBe('You said: Why?');
    expect(await post('/anything', {})).toEqual({ ok: true, text: 'You said: nothing' });
  });

  it.each([
    ['/v1/chat/completions', (event: any) => event.choices?.[0]?.delta?.content, /data: \[DONE\]\n\n$/],
    ['/v1/messages', (event: any) => event.delta?.text, /"type":"message_stop"\}\n\n$/],
    [
      '/v1/responses',
      (event: any) => (event.type === 'response.output_text.delta' ? event.delta : ''),
      /response\.completed/,
    ],
  ])('speaks %s piece by piece', async (path, read, end) => {
    const text = (await post(path, { ...CHAT, input: 'Why?', stream: true })) as string;
    const events = [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data]) => JSON.parse(data!) as unknown);
    expect(events.map((event) => read(event) ?? '').join('')).toBe('You said: Why?');
    expect(text).toMatch(end);
  });

  it('answers what it is told to', async () => {
    const told = await ModelServer.start({ answer: { price: 5 } });
    const response = await fetch('https://shop.example/');
    expect(await response.json()).toMatchObject({ ok: true });
    restore();
    restore = redirectHttp(told);
    expect(await (await fetch('https://shop.example/')).json()).toEqual({ price: 5 });
    await told.close();
  });
});

describe('redirectHttp', () => {
  it('catches fetch, node:http and node:https in all their forms, and keeps method, path, body and headers', async () => {
    await fetch(new URL('https://a.example/1?q=1'));
    await fetch(new Request('https://a.example/2', { method: 'POST', body: 'x', headers: { 'x-key': 'k' } }));
    await textOf(http.get('http://b.example/3'));
    await textOf(get('https://b.example/4', { headers: { 'x-key': 'k' } }));
    await textOf(https.get({ host: 'b.example', path: '/5', agent: new https.Agent() }));
    const request = https.request(new URL('https://b.example/6'), { method: 'PUT' });
    const answered = textOf(request);
    request.end('body');
    await answered;
    expect(server.log.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /1',
      'POST /2',
      'GET /3',
      'GET /4',
      'GET /5',
      'PUT /6',
    ]);
    expect(server.log[1]).toMatchObject({ text: 'x', headers: { 'x-key': 'k' } });
    expect(server.log[3]!.headers).toMatchObject({ 'x-key': 'k', host: 'b.example' });
    expect(server.log[5]!.text).toBe('body');
    expect(server.log[3]!.holds('"k"')).toBe(true);
  });

  it('leaves other addresses alone, and puts all back', async () => {
    expect(await (await fetch('data:text/plain,hi')).text()).toBe('hi');
    const redirected = [globalThis.fetch, http.request, https.get];
    restore();
    for (const [index, now] of [globalThis.fetch, http.request, https.get].entries()) {
      expect(now).not.toBe(redirected[index]);
    }
    restore = () => {};
    expect(server.log).toEqual([]);
  });

  it('names settings by which SDKs find it', () => {
    expect(settingsFor(server)).toMatchObject({
      OPENAI_BASE_URL: `http://127.0.0.1:${server.port}/v1`,
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${server.port}`,
    });
  });
});
