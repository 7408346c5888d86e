// Those who call the service: each asks with a key, now and then vanishes, and comes back with the same key until it knows.
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/**
 * One request; undefined: the connection broke.
 *
 * @param {string} url @param {object} body @param {Record<string, string>} headers @param {number} [vanishAfterMs]
 * @returns {Promise<{ status: number, body: any } | undefined>}
 */
export function post(url, body, headers, vanishAfterMs) {
  return new Promise((resolve) => {
    const text = JSON.stringify(body);
    const call = request(url, {
      method: 'POST',
      agent,
      headers: {
        authorization: 'Bearer secret-a',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        ...headers,
      },
    });
    let timer;
    if (vanishAfterMs !== undefined) timer = setTimeout(() => call.destroy(), vanishAfterMs);
    call.on('error', () => resolve(undefined));
    call.on('response', (response) => {
      let told = '';
      response.setEncoding('utf8');
      response.on('data', (part) => (told += part));
      response.on('error', () => resolve(undefined));
      response.on('close', () => {
        clearTimeout(timer);
        const body = response.complete ? parsed(told) : undefined;
        resolve(body && { status: response.statusCode ?? 0, body });
      });
    });
    call.end(text);
  });
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What became of all. */
export class Tally {
  answers = 0;
  replayed = 0;
  shared = 0;
  failed = 0;
  vanished = 0;
  /** Times a caller had to come again, by what it was told. */
  again = {};
  lost = [];
  wrong = [];
  /** Milliseconds that a run took beside its one call of the model. */
  overheads = [];

  /** As both measurements tell it. */
  get figures() {
    const { answers, failed, vanished, replayed, shared, again, lost, wrong } = this;
    return {
      answers,
      failed,
      vanished,
      replayed,
      shared,
      cameAgain: again,
      lost: lost.length,
      wrong: wrong.length,
    };
  }
}

/**
 * Asks until it knows.
 *
 * @param {() => string} urlOf @param {string} key @param {Tally} tally @param {{ vanishing: number, giveUpMs?: number }} options
 */
export async function ask(urlOf, key, tally, { vanishing, giveUpMs = 120_000 }) {
  const body = { toolName: 'answer', request: `What is ${key}?` };
  const headers = { prefer: 'wait=60', 'idempotency-key': key };
  const began = performance.now();
  const vanishes = Math.random() < vanishing;
  if (vanishes) {
    tally.vanished += 1;
    await post(`${urlOf()}/v1/runs`, body, headers, 20 + Math.random() * 600);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2000));
  }
  for (;;) {
    if (performance.now() - began > giveUpMs) return void tally.lost.push(key);
    const response = await post(`${urlOf()}/v1/runs`, body, headers);
    if (response?.status === 200) {
      const { output } = response.body;
      tally.answers += 1;
      if (output.metadata.replayed) tally.replayed += 1;
      if (output.metadata.coalesced) tally.shared += 1;
      const [, of, took] = /^(key-[\w-]+) took ([\d.]+) ms$/.exec(output.content) ?? [];
      if (of !== key) tally.wrong.push(`${key}: ${output.content}`);
      const isPlain =
        output.metadata.attempts === 1 && !output.metadata.replayed && !output.metadata.coalesced;
      if (isPlain && !vanishes) tally.overheads.push(output.elapsedMs - Number(took));
      return;
    }
    // The model failed at each of five calls: a clear account of why not.
    if (response?.status === 502 || response?.status === 504) return void (tally.failed += 1);
    const why =
      response === undefined ? 'the connection broke' : `${response.status} ${response.body.code ?? ''}`;
    tally.again[why] = (tally.again[why] ?? 0) + 1;
    await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 300));
  }
}

/**
 * So many callers at a time, until all keys are asked for, or the time is up. They come one after the other.
 *
 * @param {number} callers @param {number} rampMs how long until all are there
 * @param {() => string | undefined} next @param {(key: string) => Promise<void>} work
 */
export async function callAll(callers, rampMs, next, work) {
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, (index / callers) * rampMs));
      for (let key = next(); key !== undefined; key = next()) await work(key);
    }),
  );
}

/** @param {number[]} values @param {number} share */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
