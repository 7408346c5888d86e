import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { holder, type Holdings } from './resources.js';

/** An HTTP request that a tool made. */
export interface HttpRequest {
  /** Milliseconds, by `performance.now()`. */
  readonly at: number;
  readonly method: string;
  /** Without its query, which may hold keys. */
  readonly url: string;
}

const made = new WeakMap<Holdings, HttpRequest[]>();

/** The HTTP requests an execution has made so far, by `fetch`, undici or node:http. */
export function requestsOf(holdings: Holdings): readonly HttpRequest[] {
  return made.get(holdings) ?? [];
}

/** Starts to note the HTTP requests of executions. Returns how to stop. */
export function watchTraffic(): () => void {
  const ofFetch = (message: unknown) => {
    const { request } = message as { request: { method?: string; origin?: unknown; path?: string } };
    note(request.method, `${String(request.origin ?? '')}${request.path ?? ''}`);
  };
  const ofHttp = (message: unknown) => {
    const { request } = message as { request: { method?: string; host?: string; path?: string } };
    note(request.method, `${request.host ?? ''}${request.path ?? ''}`);
  };
  subscribe('undici:request:create', ofFetch);
  subscribe('http.client.request.start', ofHttp);
  return () => {
    unsubscribe('undici:request:create', ofFetch);
    unsubscribe('http.client.request.start', ofHttp);
  };
}

function note(method: string | undefined, url: string): void {
  const owner = holder();
  if (owner === undefined) return;
  const request = { at: performance.now(), method: method ?? 'GET', url: url.split('?')[0]! };
  made.set(owner, [...requestsOf(owner), request]);
}
