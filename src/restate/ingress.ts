import { setTimeout as later } from 'node:timers/promises';
import { describeError, StoreError } from '../core/errors.js';
import { Reach } from './reach.js';

/** What Restate answers to a run that was handed in. */
export interface Submission {
  readonly invocationId: string;
  readonly status: 'Accepted' | 'PreviouslyAccepted';
}

export interface IngressOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long to try again without a sign of life of Restate's, in milliseconds. */
  readonly reconnectMs: number;
}

/** An invocation ended without an answer: it was killed, or given up. */
export class InvocationLost extends Error {
  override name = 'InvocationLost';
}

/** No answer: worth another try. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);
/** Of `output`: it is not there yet. */
const NOT_READY = 470;

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2000;

/** An answer, and which invocation gave it: undefined where something between us and Restate hides it. */
export interface Answered<T> {
  readonly value: T;
  readonly invocationId: string | undefined;
}

interface CallGiven {
  readonly key?: string;
  readonly signal?: AbortSignal;
}

/** The part of a Restate server's ingress that is used. All of it may be asked twice: it is the same invocation. */
export class Ingress {
  private readonly reach: Reach;

  constructor(private readonly options: IngressOptions) {
    this.reach = new Reach(options);
  }

  /** Calls a handler and waits for what it answers. @param given.key under which asking twice is asking once. */
  call<T>(service: string, handler: string, body: unknown, given: CallGiven = {}): Promise<Answered<T>> {
    return this.request(`${service}/${handler}`, { body, ...given });
  }

  /** Hands an invocation in under a key. */
  async send(service: string, handler: string, body: unknown, key: string): Promise<Submission> {
    const { value } = await this.request<Submission | undefined>(`${service}/${handler}/send`, { body, key });
    if (typeof value?.invocationId !== 'string') throw this.notRestate(JSON.stringify(value));
    return value;
  }

  /** Waits for what an invocation answers. */
  async attach<T>(invocation: string): Promise<T> {
    return (await this.request<T>(`restate/invocation/${invocation}/attach`, {})).value;
  }

  /** What an invocation has answered; undefined: it goes on. */
  async output<T>(invocation: string): Promise<T | undefined> {
    const path = `restate/invocation/${invocation}/output`;
    return (await this.request<T | undefined>(path, { mayBeMissing: true })).value;
  }

  /** What was answered is nothing that Restate, or a Troupe behind it, would say. */
  notRestate(said = 'nothing'): StoreError {
    return new StoreError(
      `What answers at ${this.options.url} is not Restate with a Troupe: it sent ${said.slice(0, 80)}. Give the address of its ingress.`,
    );
  }

  private async request<T>(
    path: string,
    given: {
      readonly body?: unknown;
      readonly key?: string;
      readonly signal?: AbortSignal | undefined;
      readonly mayBeMissing?: boolean;
    },
  ): Promise<Answered<T>> {
    const { signal: silent, done } = this.reach.watch();
    const signal = given.signal ? AbortSignal.any([given.signal, silent]) : silent;
    let failingSince: number | undefined;
    try {
      for (let wait = FIRST_WAIT_MS; ; wait = Math.min(LONGEST_WAIT_MS, 2 * wait)) {
        let problem: string;
        const askedAt = Date.now();
        try {
          const response = await this.ask(path, { ...given, signal });
          const text = await response.text();
          if (!PASSING.has(response.status)) this.reach.isAlive();
          const invocationId = response.headers.get('x-restate-id') ?? undefined;
          if (given.mayBeMissing && response.status === NOT_READY)
            return { value: undefined as T, invocationId };
          if (response.ok) return { value: this.jsonOf<T>(text), invocationId };
          problem = messageOf(text) ?? `status ${response.status}`;
          if (!PASSING.has(response.status)) throw refusal(response.status, path, problem, this.options);
        } catch (error) {
          if (error instanceof InvocationLost || error instanceof StoreError || given.signal?.aborted)
            throw error;
          problem = silent.aborted
            ? 'it does not answer'
            : describeError((error as { cause?: unknown }).cause ?? error);
        }
        // What was long waited for was a connection; whether a new one may be had, its health tells.
        if (failingSince === undefined || Date.now() - askedAt > LONGEST_WAIT_MS) failingSince = Date.now();
        const isLongFailing = Date.now() - failingSince + wait > this.options.reconnectMs;
        if (silent.aborted || isLongFailing) throw unreachable(this.options, problem);
        await later(wait, undefined, { signal: given.signal });
      }
    } finally {
      done();
    }
  }

  private jsonOf<T>(text: string): T {
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch {
      throw this.notRestate(text);
    }
  }

  private ask(
    path: string,
    {
      body,
      key,
      signal,
    }: { readonly body?: unknown; readonly key?: string; readonly signal?: AbortSignal | undefined },
  ): Promise<Response> {
    const { url, headers } = this.options;
    return fetch(`${url}/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  }
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : undefined;
  } catch {
    return text === '' ? undefined : text.slice(0, 200);
  }
}

function refusal(status: number, path: string, problem: string, { url }: IngressOptions): Error {
  if (status === 404) return notServed(path, problem);
  if (status !== 401 && status !== 403) return new InvocationLost(problem);
  return new StoreError(
    `What guards Restate at ${url} refused the request (${status}: ${problem}). Give what it asks for by \`headers\`.`,
  );
}

function notServed(path: string, problem: string): StoreError {
  return new StoreError(
    `Restate knows no ${path.split('/').slice(0, 2).join('/')} (${problem}). ` +
      'Serve a Troupe with `restateEndpoint`, and register it: `POST /deployments` on the admin port.',
  );
}

function unreachable({ url, reconnectMs }: IngressOptions, problem: string): StoreError {
  return new StoreError(
    `Restate could not be reached at ${url} for ${reconnectMs} ms: ${problem}. ` +
      'A run that was handed in goes on all the same: with the same idempotency key you get its answer.',
  );
}
