import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import * as z from 'zod';
import { parseOptions } from '../../core/parse.js';
import type { TroupeInspector } from '../../runtime/watch.js';
import type { Redact } from '../redaction.js';
import { Scribe } from '../scribe/scribe.js';
import { parseAddress, type ViewerAddress } from './address.js';
import { Archive } from './archive.js';

export interface ViewerInspectorOptions {
  /** As the viewer printed it: with its token. */
  url: string;
  /** Sees every payload before it is written, and gives what is written instead. Default: all is written. */
  redact?: Redact;
}

const optionsSchema = z.strictObject({
  url: z.string(),
  redact: z.custom<Redact>((value) => typeof value === 'function', 'must be a function').optional(),
});

/**
 * Shows what a Troupe does in a viewer: that of `npx troupe inspect`, or of {@link startViewer}. The viewer may be slow, end and be
 * started again: no run waits for it, memory is bounded, and a viewer that comes gets what is known.
 *
 * @throws {InvalidOptionsError} for a `url` that is no viewer's on this machine.
 */
export function viewerInspector(options: ViewerInspectorOptions): TroupeInspector {
  const { url, redact } = parseOptions(optionsSchema, options, 'options') as ViewerInspectorOptions;
  const link = new Link(parseAddress(url));
  const archive = new Archive({ lines: 20_000, bytes: 16 * 1024 * 1024 });
  const scribe = new Scribe({
    redact,
    write: (line, n, group) => {
      archive.add(line, n, group);
      link.add(line, n);
    },
    ended: (group) => archive.end(group),
  });
  link.everything = () => merged(archive.all(), scribe.standing());
  process.on('beforeExit', () => {
    scribe.flush(true);
    link.hurry();
  });
  process.on('exit', () => {
    scribe.flush(true);
    link.sendNow();
  });
  return scribe;
}

/** Old and new, each line once, in order. */
function merged(lines: readonly string[], standing: readonly string[]): string[] {
  const known = new Set(lines);
  const numberOf = (line: string) => Number(/^\{"n":(\d+)/.exec(line)![1]);
  return [...lines, ...standing.filter((line) => !known.has(line))].sort((a, b) => numberOf(a) - numberOf(b));
}

/** Unsent text beyond this is let go; the viewer then gets what is kept of the whole. */
const MOST_UNSENT = 8 * 1024 * 1024;
const LARGEST_BATCH = 1024 * 1024;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2000;
const PATIENCE_MS = 5000;
/** With a process that is about to end. */
const LAST_PATIENCE_MS = 1000;

/** The way to a viewer: one request at a time, in order; neither sockets nor timers keep the process alive. */
class Link {
  everything: () => readonly string[] = () => [];
  private readonly app = randomUUID();
  private unsent: string[] = [];
  private unsentBytes = 0;
  /** Number of the last line the viewer has, and of the last one added. */
  private sent = 0;
  private added = 0;
  private mustRestart = true;
  private isSending = false;
  private waitMs = FIRST_WAIT_MS;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly address: ViewerAddress) {}

  add(line: string, n: number): void {
    this.added = n;
    if (!this.mustRestart) {
      this.unsent.push(line);
      this.unsentBytes += line.length;
      if (this.unsentBytes > MOST_UNSENT) this.restart();
    }
    this.sendSoon(0);
  }

  /** The process is about to end: what is left is sent, and it waits for that. */
  hurry(): void {
    if (!this.isSending && this.hasNews && this.waitMs === FIRST_WAIT_MS) this.send(true);
  }

  /** The process ends now: what is left is sent by another. */
  sendNow(): void {
    if (!this.hasNews || this.waitMs > FIRST_WAIT_MS) return;
    // Whether what is under way has arrived nobody knows.
    if (this.isSending) this.restart();
    const { lines, from, isWhole } = this.next(Infinity);
    const url = `${this.address.origin}${this.path(from, isWhole)}`;
    const input = `${lines.join('\n')}\n`;
    spawnSync(process.execPath, ['-e', POST, url], {
      input,
      // It must not look for a viewer itself.
      env: { ...process.env, TROUPE_INSPECT: '' },
      timeout: 2000,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  }

  private get hasNews(): boolean {
    return this.added > this.sent;
  }

  private sendSoon(ms: number): void {
    if (this.isSending || this.timer || !this.hasNews) return;
    this.timer = setTimeout(() => this.send(false), ms).unref();
  }

  private restart(): void {
    this.mustRestart = true;
    this.unsent = [];
    this.unsentBytes = 0;
  }

  private next(most: number): { lines: readonly string[]; from: number; to: number; isWhole: boolean } {
    if (this.mustRestart) {
      this.mustRestart = false;
      return { lines: this.everything(), from: 0, to: this.added, isWhole: true };
    }
    let bytes = 0;
    let count = 0;
    while (count < this.unsent.length && bytes < most) bytes += this.unsent[count++]!.length;
    const lines = this.unsent.splice(0, count);
    this.unsentBytes -= bytes;
    return { lines, from: this.sent, to: this.sent + count, isWhole: false };
  }

  private send(holdsProcess: boolean): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { lines, from, to, isWhole } = this.next(LARGEST_BATCH);
    if (lines.length === 0) return;
    this.isSending = true;
    const path = this.path(from, isWhole);
    const over = (taken: boolean, wait: boolean) => {
      if (!this.isSending) return;
      this.isSending = false;
      if (taken) this.sent = to;
      else this.restart();
      this.waitMs = wait ? Math.min(LONGEST_WAIT_MS, this.waitMs * 2) : FIRST_WAIT_MS;
      this.sendSoon(wait ? this.waitMs : 0);
    };
    const call = request(`${this.address.origin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      timeout: holdsProcess ? LAST_PATIENCE_MS : PATIENCE_MS,
      agent: false,
    });
    if (!holdsProcess) call.on('socket', (socket) => socket.unref());
    call.on('response', (response) => {
      response.resume();
      // It knows less than it should: it is another viewer by now.
      response.on('end', () =>
        over(response.statusCode === 204, response.statusCode !== 204 && response.statusCode !== 409),
      );
      response.on('error', () => over(false, true));
    });
    call.on('timeout', () => call.destroy(new Error('The viewer does not answer.')));
    call.on('error', () => over(false, true));
    call.end(`${lines.join('\n')}\n`);
  }

  private path(from: number, isWhole: boolean): string {
    const query = new URLSearchParams({ token: this.address.token, app: this.app, from: String(from) });
    return `/records?${query}${isWhole ? '&whole=1' : ''}`;
  }
}

/** Run by a process of its own: the text on its input goes to the address it is given. */
const POST = `const { request } = require('node:http');
const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', () => request(process.argv[1], { method: 'POST' }).on('error', () => {}).end(Buffer.concat(chunks)));`;
