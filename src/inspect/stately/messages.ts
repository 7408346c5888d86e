import type { createInspector } from '@statelyai/inspect';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import type { JsonValue } from '../../core/json.js';
import type { ActorSubject, TroupeNews } from '../../runtime/watch.js';
import { eventText, payloadText, type Place, type Redact } from '../redaction.js';
import { TimeShare } from '../scribe/time-share.js';
import { type Definition, Definitions } from './definitions.js';
import type { Addressee, StatelySocket } from './socket.js';

/** A message of Stately's inspection protocol, as it is sent. */
export type StatelyInspectionEvent = StatelyStamps &
  (
    | {
        readonly type: '@xstate.actor';
        readonly name: string;
        /** The session id of the actor it is a part of. */
        readonly parentId: string | undefined;
        /** Its chart, as JSON. */
        readonly definition: string | undefined;
        readonly snapshot: object;
      }
    | {
        readonly type: '@xstate.event';
        readonly event: { readonly type: string };
        /** The session id of the actor that sent it. */
        readonly sourceId: string | undefined;
      }
    | {
        readonly type: '@xstate.snapshot';
        readonly event: { readonly type: string };
        readonly snapshot: object;
      }
  );

interface StatelyStamps {
  readonly sessionId: string;
  /** The session id of the actor at the top. */
  readonly rootId: string | undefined;
  /** Epoch milliseconds. */
  readonly createdAt: string;
  readonly id: string | null;
  /** Of `@statelyai/inspect`. */
  readonly _version: string;
}

export interface StatelyMessagesOptions {
  readonly createInspector: typeof createInspector;
  readonly socket: StatelySocket;
  readonly redact: Redact | undefined;
  readonly filter: ((message: StatelyInspectionEvent) => boolean) | undefined;
}

/** What happened is put into words later, many at a time: so many are held at most. */
const MOST_HELD = 512;
const HELD_FOR_MS = 50;

type Seen = Extract<InspectionEvent, { type: '@xstate.event' | '@xstate.snapshot' }>;

interface Held {
  readonly event: Seen;
  readonly subject: ActorSubject | undefined;
  readonly at: number;
  /** Of an actor that starts: where it stands before. */
  readonly initial: SeenSnapshot | undefined;
}

/** What is known of an actor. It holds no actor: those that nobody holds any more are forgotten. */
interface Known extends Addressee {
  readonly ref: WeakRef<AnyActorRef>;
  readonly sessionId: string;
  readonly name: string;
  readonly rootId: string;
  readonly parentId: string | undefined;
  /** Its own id, and its run's, within its Troupe. */
  readonly id: string | undefined;
  readonly runId: string | undefined;
  readonly isOurs: boolean;
  readonly isMachine: boolean;
  readonly definition: Definition;
  last: SeenSnapshot | undefined;
  hasEnded: boolean;
  /** The event it took last, and what is shown of that. */
  event: unknown;
  shownEvent: ShownEvent;
}

interface SeenSnapshot {
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  readonly value?: unknown;
  readonly tags?: Iterable<string>;
  readonly context?: unknown;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
}

type ShownEvent = { readonly type: string } & Record<string, unknown>;

const NO_EVENT: ShownEvent = { type: '' };

/** Turns what an inspector sees into messages of Stately's protocol, made by `@statelyai/inspect`. */
export class StatelyMessages {
  private held: Held[] = [];
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;
  private readonly known = new WeakMap<AnyActorRef, Known>();
  /** Actors that have not ended, by session id. */
  private readonly live = new Map<string, Known>();
  /** Those among them that belong to a Troupe, by their id there. */
  private readonly subjects = new Map<string, Known>();
  /** Those that took an event since it was looked whether they have failed. */
  private readonly touched = new Set<Known>();
  private readonly collected = new FinalizationRegistry<Known>((known) => this.forget(known));
  private readonly definitions: Definitions;
  private readonly share = new TimeShare();
  private readonly inspector;
  /** Whom the message is about that is being made, and when it happened. */
  private about!: Known;
  private at = 0;

  constructor(private readonly options: StatelyMessagesOptions) {
    this.definitions = new Definitions(options.redact);
    this.inspector = options.createInspector(
      {
        start: () => options.socket.start(() => this.introduceAll()),
        send: (message) => this.send(message),
      },
      { serialize: (message) => this.complete(message) },
    );
    this.inspector.start();
  }

  ignores(runId: string): boolean {
    return this.share.skips(runId);
  }

  /** Runs are not told of: but whether one is left out is decided when it begins. */
  tell(news: TroupeNews): void {
    this.share.leavesOut(news);
  }

  next(event: InspectionEvent, subject?: ActorSubject): void {
    if (this.share.skips(subject?.runId)) return;
    if (this.isClosed || (event.type !== '@xstate.event' && event.type !== '@xstate.snapshot')) return;
    contained(() => this.hold(event, subject));
  }

  /** Actors are shown from when they start: one that is never started is never stopped either. */
  private hold(event: Seen, subject: ActorSubject | undefined): void {
    const isStart = event.type === '@xstate.event' && event.event.type === 'xstate.init';
    const initial = isStart ? ((event.actorRef as AnyActorRef).getSnapshot() as SeenSnapshot) : undefined;
    this.timer ??= setTimeout(() => this.flush(), HELD_FOR_MS).unref();
    if (this.held.push({ event, subject, at: Date.now(), initial }) >= MOST_HELD) this.noteHeld();
  }

  /** Makes messages of all that is held. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.noteHeld();
    for (const known of this.touched) contained(() => this.lookForFailure(known));
    this.touched.clear();
  }

  close(): Promise<void> {
    this.flush();
    this.isClosed = true;
    return this.options.socket.close();
  }

  private noteHeld(): void {
    const begun = performance.now();
    const { held } = this;
    this.held = [];
    for (const each of held) contained(() => this.note(each));
    this.share.spend(performance.now() - begun);
  }

  private note({ event, subject, at, initial }: Held): void {
    this.at = at;
    const ref = event.actorRef as AnyActorRef;
    let known = this.known.get(ref);
    if (!known || (known.hasEnded && initial)) known = this.meet(ref, event.rootId, subject);
    if (known.hasEnded) return;
    if (initial) known.last = initial;
    if (!this.options.socket.knows(known)) this.introduce(known);
    if (event.type === '@xstate.snapshot') {
      const shown = event.event === known.event ? known.shownEvent : this.shownEvent(event.event, known);
      // Logic that is no machine may not know that it was stopped.
      const isStopped = event.event.type === 'xstate.stop' && event.snapshot.status === 'active';
      const { snapshot } = event;
      this.noteSnapshot(known, isStopped ? { ...snapshot, status: 'stopped' } : snapshot, shown);
      return;
    }
    known.event = event.event;
    known.shownEvent = this.shownEvent(event.event, known);
    this.about = known;
    this.inspector.event(known.sessionId, known.shownEvent, { source: event.sourceRef?.sessionId });
    this.touched.add(known);
  }

  private noteSnapshot(known: Known, snapshot: SeenSnapshot, event: ShownEvent): void {
    known.last = snapshot;
    known.event = undefined;
    known.hasEnded = snapshot.status !== 'active';
    if (known.hasEnded) this.forget(known);
    this.about = known;
    this.inspector.snapshot(known.sessionId, this.shown(snapshot, known), { event });
  }

  /** XState shows no snapshot of an actor that threw. */
  private lookForFailure(known: Known): void {
    if (known.hasEnded) return;
    const snapshot = known.ref.deref()?.getSnapshot() as SeenSnapshot | undefined;
    if (snapshot?.status !== 'error') return;
    this.at = Date.now();
    this.noteSnapshot(known, snapshot, known.shownEvent);
  }

  /** An actor that was not seen before. */
  private meet(ref: AnyActorRef, rootId: string, subject: ActorSubject | undefined): Known {
    const { sessionId, logic, _parent } = ref as AnyActorRef & { logic?: { config?: unknown } };
    const owner = subject?.partOf === undefined ? undefined : this.subjects.get(subject.partOf);
    const name = subject?.name ?? ref.id;
    const config = logic?.config;
    const known: Known = {
      introducedOn: 0,
      isWaiting: false,
      isStale: false,
      ref: new WeakRef(ref),
      sessionId,
      name,
      rootId: owner?.rootId ?? rootId,
      parentId: owner?.sessionId ?? _parent?.sessionId,
      id: subject?.id,
      runId: subject?.runId,
      isOurs: subject !== undefined,
      isMachine: typeof config === 'object' && config !== null,
      definition: this.definitions.of(config, name),
      last: undefined,
      hasEnded: false,
      event: undefined,
      shownEvent: NO_EVENT,
    };
    this.known.set(ref, known);
    this.live.set(sessionId, known);
    if (known.id !== undefined) this.subjects.set(known.id, known);
    this.collected.register(ref, known);
    return known;
  }

  private forget(known: Known): void {
    if (this.live.get(known.sessionId) === known) this.live.delete(known.sessionId);
    if (known.id !== undefined && this.subjects.get(known.id) === known) this.subjects.delete(known.id);
  }

  private introduce(known: Known): void {
    this.about = known;
    known.isStale = false;
    this.inspector.actor(known.sessionId, known.last ? this.shown(known.last, known) : undefined);
  }

  /** For a receiver that has just come, or that has missed something. */
  private introduceAll(): void {
    this.at = Date.now();
    for (const known of this.live.values()) {
      if (this.options.socket.knows(known) && !known.isStale) continue;
      // Budgets do not end with their run.
      if (known.runId !== undefined && !this.subjects.has(known.runId)) continue;
      contained(() => this.introduce(known));
    }
  }

  /** What `@statelyai/inspect` cannot know of an actor. */
  private complete<Message extends { readonly type: string }>(message: Message): Message {
    const { name, rootId, parentId, definition } = this.about;
    const stamps = { rootId, createdAt: String(this.at) };
    if (message.type !== '@xstate.actor') return Object.assign(message, stamps);
    return Object.assign(message, stamps, { name, parentId, definition: definition.text });
  }

  private send(message: StatelyInspectionEvent): void {
    const { about } = this;
    const isIntroduction = message.type === '@xstate.actor';
    const { socket } = this.options;
    if (!this.passes(message)) {
      socket.send({ about, isIntroduction, text: '' });
    } else if (isIntroduction) {
      const text = JSON.stringify({ ...message, definition: undefined });
      socket.send({ about, isIntroduction, text, definition: about.definition.quoted });
    } else {
      socket.send({ about, isIntroduction, text: JSON.stringify(message) });
    }
  }

  private passes(message: StatelyInspectionEvent): boolean {
    try {
      return this.options.filter?.(message) ?? true;
    } catch {
      return false;
    }
  }

  private shown(snapshot: SeenSnapshot, known: Known): { readonly status: SeenSnapshot['status'] } {
    const { status, value, tags, context, input, output, error } = snapshot;
    const shown: { status: typeof status } & Record<string, unknown> = { status };
    if (known.isMachine) Object.assign(shown, { value, tags: [...(tags ?? [])] });
    if (context !== undefined) shown.context = this.payload(context, 'context', known.isOurs);
    if (input !== undefined) shown.input = this.payload(input, 'input', known.isOurs);
    if (output !== undefined) shown.output = this.payload(output, 'output', known.isOurs);
    if (error !== undefined) shown.error = this.payload(error, 'error');
    return shown;
  }

  private shownEvent(event: { readonly type: string }, { isOurs }: Known): ShownEvent {
    const type = String(event.type);
    if (type === 'xstate.init') {
      const { input } = event as { input?: unknown };
      return input === undefined ? { type } : { type, input: this.payload(input, 'input', isOurs) };
    }
    return JSON.parse(eventText(event, this.options.redact, isOurs)) as ShownEvent;
  }

  /** A copy in plain JSON, after `redact`. */
  private payload(value: unknown, place: Place, isPlain = false): JsonValue {
    return JSON.parse(payloadText(value, place, this.options.redact, isPlain)) as JsonValue;
  }
}

/** What cannot be shown is left out. */
function contained(work: () => void): void {
  try {
    work();
  } catch {
    // Nobody could do anything about it.
  }
}
