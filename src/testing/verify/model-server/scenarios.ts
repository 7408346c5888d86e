import { setTimeout } from 'node:timers';
import type { JsonValue } from '../../../core/json.js';
import { errorReply, streamedReply, type Dialect } from './replies.js';
import { sendJson, type ModelServer, type Scenario } from './server.js';

/** What the server asks for with a 429, in seconds. */
export const RETRY_AFTER_S = 1;

/** Refuses with an HTTP status; a 429 says when to come back. */
export function refuses(status: number): Scenario {
  const headers: Record<string, string> = status === 429 ? { 'retry-after': String(RETRY_AFTER_S) } : {};
  return ({ dialect }, response) => sendJson(response, status, errorReply(dialect, status), headers);
}

/** Sends half of a good answer, then breaks the connection or ends as if that were all. */
export function halfAnswer(server: ModelServer, ending: 'broken' | 'clean'): Scenario {
  return (request, response) => {
    const text = server.textFor(request);
    const type = request.isStreamed ? 'text/event-stream' : 'application/json';
    const whole = request.isStreamed
      ? withoutEnd(request.dialect, text)
      : JSON.stringify(server.replyTo(request));
    response.writeHead(200, { 'content-type': type });
    response.write(request.isStreamed ? whole : whole.slice(0, Math.ceil(whole.length / 2)), () => {
      if (ending === 'clean') response.end();
      else setTimeout(() => response.destroy(), 20).unref();
    });
  };
}

/** The first half of the pieces, and nothing that says the answer is whole. */
function withoutEnd(dialect: Dialect, text: string): string {
  const pieces = streamedReply(dialect, text);
  return pieces.slice(0, Math.max(1, Math.floor(pieces.length / 2) - 1)).join('');
}

/** 200, and a page for people in the place of an answer. */
export const page: Scenario = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.end('<!doctype html><html><body><h1>Please sign in</h1></body></html>');
};

/** 200, and JSON that is no answer. */
export const otherJson: Scenario = (request, response) => {
  const body: JsonValue = { unexpected: true };
  if (!request.isStreamed) return sendJson(response, 200, body);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`data: ${JSON.stringify(body)}\n\ndata: [DONE]\n\n`);
};

/** Takes the request, and never says anything. */
export const silence: Scenario = () => {};

/** A good answer whose headers take their time. */
export function slowly(server: ModelServer, ms: number): Scenario {
  return (request, response) => void setTimeout(() => server.answers(request, response), ms).unref();
}

/** Begins a good answer, and then says nothing more. */
export function stuck(server: ModelServer): Scenario {
  return (request, response) => {
    const text = server.textFor(request);
    response.writeHead(200, {
      'content-type': request.isStreamed ? 'text/event-stream' : 'application/json',
    });
    const [first = ''] = request.isStreamed ? streamedReply(request.dialect, text) : ['{'];
    response.write(first);
  };
}
