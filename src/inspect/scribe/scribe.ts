import path from 'node:path';
import type { InspectionEvent } from 'xstate';
import type { ActorSubject, InspectedTroupe, TroupeInspector, TroupeNews } from '../../runtime/watch.js';
import { FORMAT } from '../records.js';
import { eventText, type Redact } from '../redaction.js';
import { ActorLines } from './actor-lines.js';
import { askedText, endedText, joinedText, saidText } from './news-text.js';
import { TimeShare } from './time-share.js';

/** Where lines go. `group` says which belong together: a run's, or those of an actor that outlives runs. */
export type WriteLine = (line: string, n: number, group: string) => void;

export interface ScribeOptions {
  readonly redact: Redact | undefined;
  readonly write: WriteLine;
  /** Every run is written down, whatever that takes. */
  readonly isComplete?: boolean;
  /** A run has ended, or an actor that outlives runs: nothing more comes of its group. */
  readonly ended?: (group: string) => void;
}

/** What happened is put into words later, many at a time: so many are held at most. */
const MOST_HELD = 512;
const HELD_FOR_MS = 50;

/** How often what providers share is looked at, in milliseconds. */
const LOOK_EVERY_MS = 250;

interface KnownTroupe {
  readonly number: number;
  readonly troupe: InspectedTroupe;
  lookedAt: number;
  providers: string;
}

type Held =
  | { readonly event: InspectionEvent; readonly subject: ActorSubject | undefined; readonly at: number }
  | { readonly news: TroupeNews; readonly troupe: InspectedTroupe; readonly at: number }
  | { readonly lost: true; readonly at: number };

/** Turns what a Troupe's inspector sees into records, each a line of JSON. */
export class Scribe implements TroupeInspector {
  private n = 0;
  private held: Held[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly head: string;
  private readonly actors: ActorLines;
  private readonly troupes = new Map<InspectedTroupe, KnownTroupe>();
  private troupeCount = 0;
  /** Runs that were left out, of those that have ended since it was told. */
  private lost = 0;
  private readonly share = new TimeShare();

  constructor(private readonly options: ScribeOptions) {
    const app = path.basename(process.argv[1] ?? 'node');
    const { pid, version: node } = process;
    const head = { kind: 'head', format: FORMAT, app, pid, node, redacted: options.redact !== undefined };
    this.head = this.write(JSON.stringify(head).slice(1, -1), Date.now(), '');
    this.actors = new ActorLines(
      options.redact,
      (body, at, group) => this.write(body, at, group),
      (group) => options.ended?.(group),
    );
  }

  /** What somebody must know who did not listen before. */
  standing(): string[] {
    return [this.head, ...this.actors.standing((body, at) => this.lineOf(body, at))];
  }

  ignores(runId: string): boolean {
    return this.share.skips(runId);
  }

  next(event: InspectionEvent, subject?: ActorSubject): void {
    if (this.share.skips(subject?.runId)) return;
    this.hold({ event, subject, at: subject ? subject.troupe.now() : Date.now() });
  }

  tell(news: TroupeNews, troupe: InspectedTroupe): void {
    if (!this.options.isComplete && this.share.leavesOut(news)) {
      if (news.type === 'ended') this.noteSkipped(troupe);
      return;
    }
    this.hold({ news, troupe, at: troupe.now() });
  }

  /** Writes all that is held; at the end, how things stand too. */
  flush(isLast = false): void {
    const begun = performance.now();
    clearTimeout(this.timer);
    this.timer = undefined;
    const { held } = this;
    this.held = [];
    for (const each of held) {
      try {
        this.noteHeld(each);
      } catch {
        // One that cannot be written down must not take the others with it.
      }
    }
    for (const known of this.troupes.values()) this.look(known, isLast);
    this.share.spend(performance.now() - begun);
  }

  private noteHeld(each: Held): void {
    if ('event' in each) {
      if (each.subject) this.meetTroupe(each.subject.troupe);
      this.actors.note(each.event, each.subject, each.at);
    } else if ('news' in each) this.noteNews(each.news, each.troupe, each.at);
    else this.noteLost(each.at);
  }

  /** A run has ended of which nothing was written down. */
  private noteSkipped(troupe: InspectedTroupe): void {
    if (this.lost === 0) this.hold({ lost: true, at: troupe.now() });
    this.lost += 1;
  }

  private hold(each: Held): void {
    if (this.held.push(each) >= MOST_HELD) return this.flush();
    this.timer ??= setTimeout(() => this.flush(), HELD_FOR_MS).unref();
  }

  private write(body: string, at: number, group: string): string {
    this.n += 1;
    const line = this.lineOf(body, at);
    this.options.write(line, this.n, group);
    return line;
  }

  private lineOf(body: string, at: number): string {
    return `{"n":${this.n},"at":${Math.round(at * 10) / 10},${body}}`;
  }

  private noteNews(news: TroupeNews, troupe: InspectedTroupe, at: number): void {
    const { redact } = this.options;
    const known = this.meetTroupe(troupe);
    switch (news.type) {
      case 'run':
        this.write(askedText(news.run, redact), at, news.run.runId);
        return;
      case 'joined':
        this.write(joinedText(news), at, news.runId);
        return;
      case 'said':
        this.write(saidText(news, redact), at, news.runId);
        return;
      case 'ended':
        this.write(endedText(news, redact), at, news.runId);
        this.options.ended?.(news.runId);
        return;
      case 'event':
        this.write(`"kind":"news","event":${eventText(news.body, redact, true)}`, at, '');
        return;
      case 'closed':
        this.look(known, true);
        this.troupes.delete(troupe);
        this.write(`"kind":"closed","troupe":${known.number}`, at, '');
    }
  }

  private noteLost(at: number): void {
    this.write(`"kind":"lost","runs":${this.lost}`, at, '');
    this.lost = 0;
  }

  private meetTroupe(troupe: InspectedTroupe): KnownTroupe {
    let known = this.troupes.get(troupe);
    if (!known) {
      known = { number: ++this.troupeCount, troupe, lookedAt: 0, providers: '[]' };
      this.troupes.set(troupe, known);
    }
    return known;
  }

  /** Writes what providers share, where that has changed. */
  private look(known: KnownTroupe, isLast = false): void {
    const now = performance.now();
    if (!isLast && now - known.lookedAt < LOOK_EVERY_MS) return;
    known.lookedAt = now;
    const providers = JSON.stringify(known.troupe.providers());
    if (providers === known.providers) return;
    known.providers = providers;
    this.write(
      `"kind":"providers","troupe":${known.number},"providers":${providers}`,
      known.troupe.now(),
      '',
    );
  }
}
