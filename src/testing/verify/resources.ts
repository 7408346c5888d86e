import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** Something that keeps a process alive, and who made it. */
export interface Resource {
  /** What it is, in words: "a timer", "a socket". */
  readonly kind: string;
  /** Where it was made, as far as that is code of the tool: `tool.js:12`. */
  readonly place: string;
  /** Of a child process. */
  readonly pid?: number;
}

interface Held {
  readonly type: string;
  readonly handle: { hasRef?(): boolean; pid?: number };
  readonly stack: string;
}

/** Turns of the event loop and promises, which hold nothing. */
const FLEETING: ReadonlySet<string> = new Set(['PROMISE', 'TickObject', 'Microtask', 'Immediate']);

const KINDS: Readonly<Record<string, string>> = {
  Timeout: 'a timer',
  TCPWRAP: 'a socket',
  TLSWRAP: 'a socket',
  PIPEWRAP: 'a pipe',
  PROCESSWRAP: 'a child process',
  TCPSERVERWRAP: 'a server',
  UDPWRAP: 'a socket',
  FSEVENTWRAP: 'a file watcher',
  STATWATCHER: 'a file watcher',
  WORKER: 'a worker thread',
  MESSAGEPORT: 'a message port',
};

/** What one execution of a tool has opened. */
export class Holdings {
  /** Whether it has ever waited for anything but promises. */
  hasWaited = false;
  private readonly held = new Map<number, Held>();

  opened(id: number, held: Held): void {
    this.held.set(id, held);
  }

  closed(id: number): void {
    this.held.delete(id);
  }

  /** What still keeps the process alive. */
  get left(): Resource[] {
    return [...this.held.values()].filter(isAlive).map(({ type, handle, stack }) => ({
      kind: KINDS[type] ?? `a handle of the kind ${type}`,
      place: placeIn(stack),
      ...(handle.pid === undefined ? {} : { pid: handle.pid }),
    }));
  }
}

function isAlive({ type, handle }: Held): boolean {
  if (type !== 'PROCESSWRAP' || handle.pid === undefined) return handle.hasRef?.() ?? true;
  try {
    // Also one that was unreferenced: it works on, only nobody waits for it.
    return process.kill(handle.pid, 0);
  } catch {
    return false;
  }
}

/** The first line of a stack that is no code of Node, of Troupe or of a dependency. */
function placeIn(stack: string): string {
  for (const line of stack.split('\n').slice(1)) {
    const found = /\(?((?:file:\/\/)?\/?[^\s()]+):(\d+):\d+\)?$/.exec(line.trim());
    const file = found?.[1];
    if (file === undefined || file.startsWith('node:') || isOurs(file)) continue;
    if (file.includes('/node_modules/')) continue;
    return `${decodeURI(file.split('/').at(-1)!)}:${found![2]}`;
  }
  return '';
}

const here = import.meta.url.slice(0, import.meta.url.lastIndexOf('/') + 1);
const isOurs = (file: string) => file.startsWith(here) || `file://${file}`.startsWith(here);

const current = new AsyncLocalStorage<Holdings>();

/** The execution whose code is running, and all that it started. */
export function holder(): Holdings | undefined {
  return current.getStore();
}

export function holding<T>(holdings: Holdings, run: () => T): T {
  return current.run(holdings, run);
}

/** Starts to note what executions open. Returns how to stop. */
export function watchResources(): () => void {
  const owners = new Map<number, Holdings>();
  const hook = createHook({
    init(id, type, _trigger, resource) {
      if (FLEETING.has(type)) return;
      const owner = current.getStore();
      if (owner === undefined) return;
      owner.hasWaited = true;
      const handle = resource as Held['handle'];
      if (typeof handle.hasRef !== 'function' && type !== 'WORKER') return;
      owners.set(id, owner);
      owner.opened(id, { type, handle, stack: stackHere() });
    },
    destroy(id) {
      owners.get(id)?.closed(id);
      owners.delete(id);
    },
  });
  hook.enable();
  return () => hook.disable();
}

function stackHere(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 30;
  const { stack } = new Error('made here');
  Error.stackTraceLimit = stackTraceLimit;
  return stack ?? '';
}

/** "a timer (tool.js:12)", each kind once. */
export function nameAll(resources: readonly Resource[]): string {
  const counts = new Map<string, number>();
  for (const { kind, place } of resources) {
    const name = place === '' ? kind : `${kind} (made at ${place})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, n]) => (n === 1 ? name : `${n} times ${name}`)).join(', ');
}
