import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { urlToHttpOptions } from 'node:url';
import type { ModelServer } from './server.js';

type RequestArguments = [
  url: string | URL | http.RequestOptions,
  options?: http.RequestOptions | Callback,
  callback?: Callback,
];
type Callback = (response: http.IncomingMessage) => void;

/**
 * Sends every HTTP call of this process to the server, whatever host it names: `fetch`, node:http and node:https.
 * Set up before a tool is loaded, as that may take the functions out of their modules. Returns how to put all back.
 */
export function redirectHttp(server: ModelServer): () => void {
  const { fetch, Request } = globalThis;
  globalThis.fetch = (input, init) => {
    const given = input instanceof Request ? input.url : String(input);
    const url = URL.canParse(given) ? redirected(new URL(given), server) : given;
    return fetch(input instanceof Request ? new Request(url, input) : url, init);
  };
  const before = [http, https].map((module) => ({ module, request: module.request, get: module.get }));
  const plain = http.request;
  for (const { module } of before) {
    module.request = (...args: unknown[]) => {
      const { options, callback } = readArguments(args as RequestArguments);
      return plain(toServer(options, server), callback);
    };
    module.get = (...args: unknown[]) => {
      const request = module.request(...(args as Parameters<typeof http.request>));
      request.end();
      return request;
    };
  }
  syncBuiltinESMExports();
  return () => {
    globalThis.fetch = fetch;
    for (const { module, request, get } of before) Object.assign(module, { request, get });
    syncBuiltinESMExports();
  };
}

/** Addresses other than those of HTTP (`data:`, `blob:`) stay as they are. */
function redirected(url: URL, server: ModelServer): string {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return url.href;
  return `${server.url}${url.pathname}${url.search}`;
}

function readArguments([first, second, third]: RequestArguments) {
  const isAddress = typeof first === 'string' || first instanceof URL;
  const address = isAddress ? urlToHttpOptions(new URL(first)) : first;
  const options = isAddress && typeof second === 'object' ? second : {};
  const callback = typeof second === 'function' ? second : third;
  return { options: { ...address, ...options } as http.RequestOptions, callback };
}

function toServer(options: http.RequestOptions, server: ModelServer): http.RequestOptions {
  const { agent: _agent, createConnection: _connect, socketPath: _path, host, hostname, ...rest } = options;
  const named = hostname ?? host;
  return {
    ...rest,
    protocol: 'http:',
    hostname: '127.0.0.1',
    port: server.port,
    ...(named && !Array.isArray(rest.headers) ? { headers: { host: named, ...rest.headers } } : {}),
  };
}

/** Settings by which the usual SDKs find the server, for a tool that is loaded after them. */
export function settingsFor(server: ModelServer): Record<string, string> {
  return {
    OPENAI_BASE_URL: `${server.url}/v1`,
    OPENAI_API_BASE: `${server.url}/v1`,
    ANTHROPIC_BASE_URL: server.url,
    OPENAI_API_KEY: process.env['OPENAI_API_KEY'] ?? 'sk-verify',
    ANTHROPIC_API_KEY: process.env['ANTHROPIC_API_KEY'] ?? 'sk-ant-verify',
  };
}
