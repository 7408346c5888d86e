import type { EventStamp, RunEvent, RunEventBody } from '../core/events.js';
import { deepFreeze } from '../core/json.js';
import { leavesAtOnce, type Waiting } from './leaving.js';

/** A reader further behind than this gets small events merged. */
const EXACT_TAIL = 1024;

/** Up to so many events a log takes no more room than they need. */
const FEW = 6;

const FOLDABLE: ReadonlySet<string> = new Set([
  'delta',
  'warning',
  'tool_event',
  'replicate_started',
  'replicate_done',
  'partial_summary',
]);

/** An event nobody has read yet: most never are, so its parts are put together when one is. */
class Unread {
  constructor(
    readonly seq: number,
    readonly at: number,
    readonly body: RunEventBody,
  ) {}
}

/** What is said of a run, as its readers get it. */
export function stamped(body: RunEventBody, stamp: EventStamp): RunEvent {
  return deepFreeze(Object.assign({}, body, stamp) as RunEvent);
}

interface Reader extends Waiting {
  /** Sequence number of the last event it was given. */
  seen: number;
}

/**
 * The events of one run, for any number of readers, each from the start. Bounded: what lies further back than 1,024
 * events is compacted, deltas into one text, other small events into counts; lifecycle events stay.
 */
export class EventLog implements AsyncIterable<RunEvent> {
  private events: (RunEvent | Unread)[] = [];
  private isEnded = false;
  private compactAt = 2 * EXACT_TAIL;
  /** Undefined while nobody reads: most logs have no reader. */
  private readers: Set<Reader> | undefined;

  constructor(
    private readonly runId: string,
    private readonly traceId: string,
    private readonly shown: (event: RunEvent) => void,
  ) {}

  /** Adds what was said, to be stamped and frozen when it is read. */
  note(body: RunEventBody, seq: number, at: number): void {
    this.add(new Unread(seq, at, body));
  }

  /** Adds an event as readers will get it. */
  push(event: RunEvent): void {
    this.add(event);
  }

  private add(event: RunEvent | Unread): void {
    // A list that is pushed to has room for seventeen; most logs never hold so many.
    if (this.events.length < FEW) this.events = [...this.events, event];
    else this.events.push(event);
    if (this.events.length >= this.compactAt) this.compact();
    this.wakeAll();
  }

  /** Takes back events that no reader has seen. */
  withdraw(unwanted: (event: RunEvent) => boolean): void {
    const seen = Math.max(0, ...this.positions());
    this.events = this.events.filter((event) => event.seq <= seen || !unwanted(this.read(event)));
  }

  end(): void {
    this.isEnded = true;
    this.wakeAll();
  }

  [Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined> {
    const reader: Reader = { seen: 0, wake: undefined, hasLeft: false };
    return leavesAtOnce(this.readBy(reader), reader);
  }

  private async *readBy(reader: Reader): AsyncGenerator<RunEvent, void, undefined> {
    const readers = (this.readers ??= new Set());
    readers.add(reader);
    try {
      for (;;) {
        const event = this.after(reader.seen);
        if (event !== undefined) {
          reader.seen = event.seq;
          this.shown(event);
          yield event;
        } else if (this.isEnded || reader.hasLeft) {
          return;
        } else {
          await new Promise<void>((resolve) => (reader.wake = resolve));
        }
      }
    } finally {
      readers.delete(reader);
    }
  }

  private positions(): number[] {
    return [...(this.readers ?? [])].map((reader) => reader.seen);
  }

  private wakeAll(): void {
    for (const reader of this.readers ?? []) {
      reader.wake?.();
      reader.wake = undefined;
    }
  }

  /** The first event after a sequence number, by binary search. */
  private after(seen: number): RunEvent | undefined {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle]!.seq <= seen) low = middle + 1;
      else high = middle;
    }
    const found = this.events[low];
    return found && (this.events[low] = this.read(found));
  }

  /** Readers share an event, so none may change it. */
  private read(event: RunEvent | Unread): RunEvent {
    if (!(event instanceof Unread)) return event;
    const { body, seq, at } = event;
    return stamped(body, { runId: this.runId, traceId: this.traceId, seq, at });
  }

  private compact(): void {
    const cut = this.events.length - EXACT_TAIL;
    const positions = new Set(this.positions());
    const compacted: RunEvent[] = [];
    let group: RunEvent[] = [];
    const flush = () => {
      compacted.push(...fold(group));
      group = [];
    };
    for (const event of this.events.slice(0, cut).map((each) => this.read(each))) {
      if (!isFoldable(event)) {
        flush();
        compacted.push(event);
        continue;
      }
      group.push(event);
      // A reader stands here: what it has seen and what it has not must not become one event.
      if (positions.has(event.seq)) flush();
    }
    flush();
    this.events = [...compacted, ...this.events.slice(cut)];
    this.compactAt = this.events.length + EXACT_TAIL;
  }
}

const OF_REPLICATES: ReadonlySet<string> = new Set(['attempt_failed', 'retry_scheduled', 'budget_warning']);

/** Failures and retries of single replicates are folded too: there may be thousands of them. */
function isFoldable(event: RunEvent): boolean {
  if (FOLDABLE.has(event.type)) return true;
  return OF_REPLICATES.has(event.type) && 'replicate' in event && event.replicate !== undefined;
}

/** Merges neighbouring small events by kind; each result carries the last sequence number of its kind. */
function fold(group: readonly RunEvent[]): RunEvent[] {
  if (group.length < 2) return [...group];
  const byKind = new Map<string, RunEvent[]>();
  for (const event of group) {
    const kind =
      event.type === 'delta'
        ? `delta ${event.toolName} ${event.attempt} ${event.step ?? ''} ${event.replicate ?? ''}`
        : event.type;
    const events = byKind.get(kind);
    if (events) events.push(event);
    else byKind.set(kind, [event]);
  }
  return [...byKind.values()].map(merge).sort((a, b) => a.seq - b.seq);
}

function merge(events: readonly RunEvent[]): RunEvent {
  const last = events.at(-1)!;
  if (events.length === 1) return last;
  const folded = events.reduce((sum, event) => sum + (('folded' in event && event.folded) || 1), 0);
  if (last.type !== 'delta') return { ...last, folded } as RunEvent;
  return {
    ...last,
    folded,
    text: events.map((event) => (event.type === 'delta' ? event.text : '')).join(''),
  };
}
