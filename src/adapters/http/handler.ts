import { InvalidOptionsError, ReliableOrchestrator, Troupe } from '../../index.js';
import { readCancelBody, readRunBody } from './body.js';
import { eventStream } from './event-stream.js';
import { serverSentEvents, uiMessageStream, type Format, type Refusal } from './formats.js';
import { readOptions, type Caller, type HandlerOptions, type Settings } from './options.js';
import { Problem, problemOf } from './problem.js';
import { acceptedResponse, describe, endResponse, errorOf, json } from './responses.js';
import { Runs, type KnownRun } from './runs.js';
import { heardOf, refusalOf, startRun } from './start.js';
import { lastEventId, wantsOf, type FormatName } from './wants.js';
import { within } from './within.js';

/** Answers a request as `fetch` gets it, and never rejects. */
export type FetchHandler = (request: Request) => Promise<Response>;

/**
 * Serves the runs of a Troupe over HTTP, for whatever mounts a function from `Request` to `Response`.
 *
 * | route                   | does                                                                                     |
 * | ----------------------- | ---------------------------------------------------------------------------------------- |
 * | `POST /runs`            | starts a run: 202; its output with `Prefer: wait=30`; its events with `Accept: text/event-stream` |
 * | `GET /runs/{id}`        | how it is, or how it ended                                                               |
 * | `GET /runs/{id}/events` | its events as SSE, after `Last-Event-ID`; `?format=ui-message-stream` for the AI SDK     |
 * | `POST /runs/{id}/cancel`, `DELETE /runs/{id}` | cancels it                                                         |
 * | `GET /tools`            | the tools that may be named                                                              |
 *
 * Errors are `application/problem+json`.
 *
 * @throws {InvalidOptionsError} without `authorize`, or for an option that is not usable.
 */
export function createHandler(troupe: Troupe<any>, options: HandlerOptions): FetchHandler {
  if (!(troupe instanceof Troupe)) {
    throw new InvalidOptionsError(
      'createHandler() takes a Troupe first: `createHandler(troupe, { authorize })`. An orchestrator of yours is its option `orchestrator`.',
    );
  }
  const settings = readOptions(options, () => new ReliableOrchestrator({ troupe }));
  const handler = new Handler(troupe, settings);
  return (request) => handler.answer(request);
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly answer: (request: Request, caller: Caller, runId: string) => Promise<Response> | Response;
}

class Handler {
  private readonly runs: Runs;
  private readonly routes: readonly Route[] = [
    { method: 'POST', path: /^\/runs$/, answer: (request, caller) => this.start(request, caller) },
    { method: 'GET', path: /^\/runs\/([^/]+)$/, answer: (_, caller, id) => this.read(caller, id) },
    { method: 'DELETE', path: /^\/runs\/([^/]+)$/, answer: (...args) => this.cancel(...args) },
    { method: 'POST', path: /^\/runs\/([^/]+)\/cancel$/, answer: (...args) => this.cancel(...args) },
    { method: 'GET', path: /^\/runs\/([^/]+)\/events$/, answer: (...args) => this.events(...args) },
    { method: 'GET', path: /^\/tools$/, answer: () => this.tools() },
  ];

  constructor(
    private readonly troupe: Troupe,
    private readonly settings: Settings,
  ) {
    this.runs = new Runs(settings);
  }

  async answer(request: Request): Promise<Response> {
    try {
      const caller = await this.authorize(request);
      return caller instanceof Response ? caller : await this.route(request, caller);
    } catch (error) {
      const problem = problemOf(error);
      if (problem !== error && problem.code === 'internal') void this.tell(error);
      return problem.toResponse();
    }
  }

  private async authorize(request: Request): Promise<Caller | Response> {
    const answer: unknown = await this.asked(request);
    if (answer instanceof Response) return answer;
    const id = typeof answer === 'object' && answer !== null ? (answer as { id?: unknown }).id : answer;
    if (id === true || typeof id === 'number') {
      throw new TypeError(
        `\`authorize\` must say who calls by an id, which is a text: it gave ${id}. Nobody is let in by that.`,
      );
    }
    if (typeof id === 'string' && id !== '') return { ...(typeof answer === 'object' ? answer : {}), id };
    throw new Problem(
      401,
      'unauthorized',
      'The request does not say who sends it, or not so that it can be believed.',
      {},
      { 'www-authenticate': 'Bearer' },
    );
  }

  /** Whatever it throws is the service's affair, an error of Troupe's included. */
  private async asked(request: Request): Promise<unknown> {
    try {
      return await this.settings.authorize(request);
    } catch (error) {
      throw new Error('`authorize` threw.', { cause: error });
    }
  }

  private async route(request: Request, caller: Caller): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { basePath } = this.settings;
    const path = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : '';
    const fitting = this.routes.filter((route) => route.path.test(path));
    const route = fitting.find(({ method }) => method === request.method);
    if (route) return route.answer(request, caller, route.path.exec(path)![1] ?? '');
    if (fitting.length === 0) throw new Problem(404, 'not_found', 'There is nothing at this address.');
    const allow = fitting.map(({ method }) => method).join(', ');
    throw new Problem(405, 'method_not_allowed', `Use ${allow} here.`, {}, { allow });
  }

  private async start(request: Request, caller: Caller): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const wants = wantsOf(request, searchParams, this.settings.maxTimeoutMs);
    this.runs.admit(caller);
    const body = await readRunBody(request, this.settings.maxBodyBytes);
    if (wants.format === 'ui-message-stream') body.options = { streaming: true, ...body.options };
    const close = wants.format === undefined ? undefined : this.runs.openStream(caller);
    try {
      const { headers } = request;
      const { known, own } = await startRun(this.troupe, this.settings, this.runs, caller, body, headers);
      const leave = () => {
        if (body.cancelOnDisconnect === true) known.run.cancel(new Error('The caller left.'));
      };
      await heardOf(known);
      if (known.end && 'error' in known.end && known.end.output === undefined) {
        this.runs.forget(known);
        throw refusalOf(known.end.error, own);
      }
      if (wants.format !== undefined) return this.stream(known, wants.format, 0, close!, leave);
      if (wants.waitMs > 0) await within(known.ended, wants.waitMs, request.signal);
      if (request.signal.aborted) leave();
      return known.end && wants.waitMs > 0 ? endResponse(known) : acceptedResponse(known);
    } catch (error) {
      close?.();
      throw error;
    }
  }

  private read(caller: Caller, id: string): Response {
    return json(200, describe(this.runs.find(id, caller)));
  }

  private async cancel(request: Request, caller: Caller, id: string): Promise<Response> {
    const known = this.runs.find(id, caller);
    const { reason } = await readCancelBody(request, this.settings.maxBodyBytes);
    known.run.cancel(new Error(reason ?? 'The caller asked for it.'));
    return json(202, describe(known));
  }

  private async events(request: Request, caller: Caller, id: string): Promise<Response> {
    const known = this.runs.find(id, caller);
    const { searchParams } = new URL(request.url);
    const { format = 'sse' } = wantsOf(request, searchParams, 0);
    const after = lastEventId(request.headers.get('last-event-id') ?? searchParams.get('after'));
    // A reader that has the last event must be told to stay away: `EventSource` comes back by itself.
    if (known.end && after > 0 && (await lastSeq(known)) <= after) return new Response(null, { status: 204 });
    return this.stream(known, format, after, this.runs.openStream(caller), () => {});
  }

  private tools(): Response {
    const { tools } = this.settings;
    const all = Object.entries(this.troupe.listTools());
    return json(200, { tools: Object.fromEntries(all.filter(([name]) => tools?.includes(name) ?? true)) });
  }

  private stream(
    known: KnownRun,
    name: FormatName,
    after: number,
    close: () => void,
    leave: () => void,
  ): Response {
    const { run } = known;
    let isSilent = true;
    const contentOf = () => run.output.then(({ content }) => content).catch(() => null);
    const format: Format = name === 'sse' ? serverSentEvents(after) : uiMessageStream(run.id, contentOf);
    const stream = eventStream(run.events, {
      heartbeatMs: this.settings.heartbeatMs,
      opening: format.opening,
      closing: async () => format.closing(isSilent ? await refusalIn(known) : undefined),
      write(event) {
        isSilent = false;
        return format.write(event);
      },
      closed: (hasLeft) => {
        close();
        if (hasLeft) leave();
      },
    });
    return new Response(stream, { headers: { ...format.headers, 'troupe-run-id': run.id } });
  }

  private async tell(error: unknown): Promise<void> {
    try {
      await this.settings.onError(error);
    } catch {
      // It is told to nobody else.
    }
  }
}

/** Why a run that has said nothing is over. */
async function refusalIn(known: KnownRun): Promise<Refusal | undefined> {
  await known.ended;
  const end = known.end!;
  return 'error' in end ? errorOf(end.error) : undefined;
}

async function lastSeq({ run }: KnownRun): Promise<number> {
  let last = 0;
  for await (const { seq } of run.events) last = seq;
  return last;
}
