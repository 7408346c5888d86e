import { describeError, StoreError } from '../core/errors.js';

/** What Restate answers to a run that was handed in. */
export interface Submission {
  readonly invocationId: string;
  readonly status: 'Accepted' | 'PreviouslyAccepted';
}

export interface IngressOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long to try again while Restate cannot be reached, in milliseconds. */
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
  constructor(private readonly options: IngressOptions) {}

  /** Calls a handler and waits for what it answers. @param given.key under which asking twice is asking once. */
  call<T>(service: string, handler: string, body: unknown, given: CallGiven = {}): Promise<Answered<T>> {
    return this.request(`${service}/${handler}`, { body, ...given });
  }

  /** Hands an invocation in under a key. */
  async send(service: string, handler: string, body: unknown, key: string): Promise<Submission> {
    return (await this.request<Submission>(`${service}/${handler}/send`, { body, key })).value;
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

  private async request<T>(
    path: string,
    given: {
      readonly body?: unknown;
      readonly key?: string;
      readonly signal?: AbortSignal | undefined;
      readonly mayBeMissing?: boolean;
    },
  ): Promise<Answered<T>> {
    let failingSince: number | undefined;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(LONGEST_WAIT_MS, 2 * wait)) {
      let problem: string;
      const askedAt = Date.now();
      try {
        const response = await this.ask(path, given);
        const text = await response.text();
        const invocationId = response.headers.get('x-restate-id') ?? undefined;
        if (given.mayBeMissing && response.status === NOT_READY)
          return { value: undefined as T, invocationId };
        if (response.ok) return { value: (text === '' ? undefined : JSON.parse(text)) as T, invocationId };
        problem = messageOf(text) ?? `status ${response.status}`;
        if (response.status === 404) throw notServed(path, problem);
        if (!PASSING.has(response.status)) throw new InvocationLost(problem);
      } catch (error) {
        if (error instanceof InvocationLost || error instanceof StoreError || given.signal?.aborted)
          throw error;
        problem = describeError((error as { cause?: unknown }).cause ?? error);
      }
      // An answer that was long waited for was a connection, and a new one may be had.
      if (failingSince === undefined || Date.now() - askedAt > LONGEST_WAIT_MS) failingSince = Date.now();
      if (Date.now() - failingSince + wait > this.options.reconnectMs)
        throw unreachable(this.options, problem);
      await new Promise((resolve) => setTimeout(resolve, wait));
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
