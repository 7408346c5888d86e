import { describeError } from '../../core/errors.js';
import { broken, clip, type Found } from './finding.js';

/** What went wrong where no caller could see it. */
interface Incident {
  readonly kind: 'rejection' | 'exception' | 'exit';
  readonly message: string;
}

/** What `process.exit` throws while tools are watched, so that the process can go on. */
class ExitPrevented extends Error {
  override name = 'ExitPrevented';
}

/** What is tried where nothing is: by it a fault that shows in many checks is known to be one. */
const WATCHED = 'its process, watched all the while';

const EVENTS = ['unhandledRejection', 'uncaughtException'] as const;

/**
 * Stands between tools and the process while they are checked: rejections nobody handles, errors nobody catches and
 * calls of `process.exit` are noted and go no further.
 */
export class Background {
  private incidents: Incident[] = [];
  private readonly exit = process.exit;
  private readonly before = EVENTS.map((event) => process.rawListeners(event));

  constructor() {
    for (const event of EVENTS) process.removeAllListeners(event);
    process.on('unhandledRejection', (reason) => this.note('rejection', reason));
    process.on('uncaughtException', (error) => this.note('exception', error));
    process.exit = (code) => {
      const message = `process.exit(${code ?? ''}) was called`;
      this.incidents.push({ kind: 'exit', message });
      throw new ExitPrevented(`${message}; it was prevented.`);
    };
  }

  private note(kind: Incident['kind'], error: unknown): void {
    if (error instanceof ExitPrevented) return;
    const name = error instanceof Error ? `${error.name}: ` : '';
    this.incidents.push({ kind, message: clip(name + describeError(error)) });
  }

  /** What happened since it was last asked, each kind once. */
  take(): Found[] {
    const kinds = new Map(this.incidents.map((incident) => [incident.kind, incident]));
    this.incidents = [];
    return [...kinds.values()].map(({ kind, message }) => broken(WATCHED, FAULTS[kind](message)));
  }

  /** Puts everything back. */
  stop(): void {
    process.exit = this.exit;
    EVENTS.forEach((event, index) => {
      process.removeAllListeners(event);
      for (const listener of this.before[index]!) process.on(event, listener as () => void);
    });
  }
}

const FAULTS = {
  rejection: (message: string) => ({
    happened: `a promise was rejected that nobody handles: ${message}`,
    seen: 'the whole process ends, with every other run in it',
    fix: 'Await every promise the tool starts, or give it a `catch`.',
  }),
  exception: (message: string) => ({
    happened: `an error was thrown where nobody can catch it: ${message}`,
    seen: 'the whole process ends, with every other run in it',
    fix: 'Catch errors inside callbacks of timers, listeners and streams, and reject the promise of `execute` instead.',
  }),
  exit: (message: string) => ({
    happened: message,
    seen: 'the whole process ends, with every other run in it',
    fix: 'Throw an error instead of calling `process.exit`.',
  }),
};
