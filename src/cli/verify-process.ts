import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../testing/index.js';
import type { Message, Task } from './verify-messages.js';

/** What a child process has found out, and how it ended. */
export interface ChildReport {
  readonly findings: readonly Finding[];
  readonly tool: { readonly name: string; readonly version: string } | undefined;
  /** Why the arguments cannot be used. */
  readonly unusable: string | undefined;
  /** Checks that were not made, as the process had ended before. */
  readonly left: readonly string[];
  /** Whether it ended before all was done. */
  readonly hasDied: boolean;
}

/** A process that is done, and does not end by itself in this time, is kept alive by the tool. */
const ENDING_MS = 1500;
const LOADING_MS = 5000;
const BLOCKED_MS = 1000;

/** Children that are at work, to be taken along when this process has to go. */
const working = new Set<ChildProcess>();

/** Ends all children, and what they have started. */
export function killAll(): void {
  for (const child of working) kill(child);
}

/** Makes checks in a process of its own, and watches it: whatever the tool does to it is a finding. */
export function runChild(task: Task, { watchEnding }: { watchEnding: boolean }): Promise<ChildReport> {
  // A group of its own, so that what the tool has started can be ended with it.
  const child = fork(fileURLToPath(new URL('./verify-child.js', import.meta.url)), [], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  working.add(child);
  const watched = new WatchedChild(task, child);
  child.on('message', (message) => watched.hear(message as Message, watchEnding));
  child.stdout!.resume();
  child.stderr!.setEncoding('utf8').on('data', (text: string) => watched.hearError(text));
  child.send(task);
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      watched.ended(code, signal);
      kill(child);
      working.delete(child);
      // Not the end of its pipes: what the tool has started may hold them open.
      child.stdout!.destroy();
      child.stderr!.destroy();
      resolve(watched.report());
    });
  });
}

function kill(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

type Death = 'blocked' | 'loading' | 'stuck' | 'lingering';

class WatchedChild {
  private readonly findings: Finding[] = [];
  private readonly begun: string[] = [];
  private tool: ChildReport['tool'];
  private unusable: string | undefined;
  private isDone = false;
  private hasDied = false;
  private errors = '';
  /** Why we ended it. */
  private killedFor: Death | undefined;
  private silence: NodeJS.Timeout | undefined;
  private patience: NodeJS.Timeout | undefined;

  constructor(
    private readonly task: Task,
    private readonly child: ChildProcess,
  ) {
    this.expect('loading', task.timeoutMs + LOADING_MS);
    this.listen();
  }

  hear(message: Message, watchEnding: boolean): void {
    this.listen();
    switch (message.type) {
      case 'tool':
        this.tool = { name: message.name, version: message.version };
        break;
      case 'unusable':
        this.unusable = message.message;
        break;
      case 'check':
        this.begun.push(message.id);
        this.expect('stuck', 12 * (this.task.timeoutMs + 1000) + 20_000);
        break;
      case 'finding':
        this.findings.push(message.finding);
        break;
      case 'done':
        this.isDone = true;
        clearTimeout(this.silence);
        this.expect('lingering', watchEnding ? ENDING_MS : 0);
        break;
      case 'alive':
    }
  }

  hearError(text: string): void {
    this.errors = (this.errors + text).slice(-4000);
  }

  /** Its event loop turns: it says so ten times a second. */
  private listen(): void {
    clearTimeout(this.silence);
    if (this.isDone) return;
    this.silence = setTimeout(
      () => this.end('blocked'),
      this.task.timeoutMs + BLOCKED_MS + LOADING_MS * +!this.tool,
    );
  }

  private expect(death: Death, ms: number): void {
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.end(death), ms);
  }

  private end(death: Death): void {
    this.killedFor = death;
    kill(this.child);
  }

  ended(code: number | null, signal: string | null): void {
    clearTimeout(this.silence);
    clearTimeout(this.patience);
    if (this.isDone) {
      if (this.killedFor === 'lingering') this.lingered();
      else if (code !== 0) this.died(`it ended with ${ending(code, signal)} after it had answered`);
      return;
    }
    if (this.unusable !== undefined) return;
    if (this.begun.length === 0) {
      this.unusable = `${this.task.file}: ${this.whyNotLoaded(code, signal)}`;
      return;
    }
    this.hasDied = true;
    if (this.killedFor === 'blocked') this.blocked();
    else if (this.killedFor === 'stuck') this.died('it did not come to an end');
    else this.died(`the process ended with ${ending(code, signal)}`);
  }

  private whyNotLoaded(code: number | null, signal: string | null): string {
    if (this.killedFor) return 'it did not finish loading. Does it wait for something at the top level?';
    return `the process ended with ${ending(code, signal)} while it was loaded. ${this.lastError()}`.trim();
  }

  /** The last thing it wrote to stderr that looks like an error. */
  private lastError(): string {
    return /^.*\w*Error\b.*$/m.exec(this.errors)?.[0] ?? '';
  }

  private find(finding: Omit<Finding, 'check' | 'tried'>): void {
    const check = this.begun.at(-1)!;
    this.findings.push({ check, tried: 'its process, watched from outside', ...finding });
  }

  private blocked(): void {
    this.find({
      verdict: 'broken',
      happened: `it blocked the event loop for more than ${this.task.timeoutMs + BLOCKED_MS} ms; its process was killed`,
      seen: 'the whole service stands still: no deadline, no cancel, no other run gets through',
      fix: 'Find the loop that never ends, or the `...Sync` call that waits. Move heavy work to a worker thread.',
    });
  }

  private died(happened: string): void {
    const error = this.lastError();
    this.find({
      verdict: 'broken',
      happened: error === '' ? happened : `${happened}: ${error}`,
      seen: 'the whole process ends, with every other run in it',
      fix: 'Throw an error, and let no other way lead out: no `process.exit`, no signal to itself, no uncaught error.',
    });
  }

  /** Of a tool that was told already what it leaves behind, this is no news. */
  private lingered(): void {
    const isKnown = this.findings.some(({ verdict }) => verdict === 'broken' || verdict === 'warning');
    if (isKnown || !this.begun.includes('aftermath')) return;
    this.find({
      verdict: 'warning',
      happened: `its process does not end by itself within ${ENDING_MS} ms`,
      seen: 'a script that hangs after its work is done',
      fix: 'Something that the module opens, most likely when it is loaded, keeps the process alive: call its `unref()`.',
    });
  }

  report(): ChildReport {
    const { findings, tool, unusable, hasDied } = this;
    const left = this.task.checks.filter((id) => !this.begun.includes(id));
    return { findings, tool, unusable, left, hasDied };
  }
}

function ending(code: number | null, signal: string | null): string {
  return signal === null ? `the exit code ${code}` : `the signal ${signal}`;
}
