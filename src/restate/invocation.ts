import type { Logger } from '../core/ports.js';
import { Host } from '../runtime/host.js';
import { memoryStore } from '../runtime/memory-store.js';
import { Timers } from '../runtime/timers.js';
import { TroupeEvents } from '../runtime/troupe-events.js';
import { Journal, type JournalContext } from './journal.js';
import { LinkedEngine } from './linked-engine.js';
import { LinkedProviders } from './linked-providers.js';
import { startNestedIn } from './nested.js';
import { deadTimers } from './shared-provider.js';
import type { Telling } from './wire.js';

/**
 * The wiring of one invocation: the charts and their effects as in any Troupe, on the time, chance, ids and waits of its
 * journal.
 */
export class Invocation {
  readonly journal: Journal;
  readonly host: Host;
  readonly engine: LinkedEngine;
  private readonly heard = new Set<(telling: Telling) => void>();

  /**
   * @param of the Troupe that is served: its tools and options.
   * @param firstId the id of the run.
   */
  constructor(of: Host, context: JournalContext, now: number, firstId: string) {
    const journal = new Journal(context, now);
    this.journal = journal;
    let id: string | undefined = firstId;
    const newId = () => {
      const next = id ?? context.rand.uuidv4().replaceAll('-', '');
      id = undefined;
      return next;
    };
    let engine: LinkedEngine | undefined;
    this.host = new Host({
      clock: journal,
      random: () => context.rand.random(),
      newId,
      store: memoryStore(),
      onStoreError: 'run',
      storeTimeoutMs: Infinity,
      leaseMs: Infinity,
      logger: whileProcessing(of.logger, context),
      watch: undefined,
      tracing: undefined,
      timers: new Timers(journal, true),
      backgroundTimers: deadTimers(() => journal.now()),
      troupeEvents: new TroupeEvents(() => journal.now(), undefined),
      registry: of.tools.registry,
      maxOutputBytes: of.maxOutputBytes,
      maxRuns: Infinity,
      compiled: true,
      providers: (host) => new LinkedProviders(of.providers, host, journal),
      engine: (host) =>
        (engine = new LinkedEngine(host, journal, host.providers as LinkedProviders, startNestedIn(of))),
    });
    this.engine = engine!;
    journal.listen((telling) => {
      this.engine.heard(telling);
      for (const heard of this.heard) heard(telling);
    });
  }

  onTelling(heard: (telling: Telling) => void): void {
    this.heard.add(heard);
  }

  /**
   * Works until `isDone`, and until nothing is on its way that would be lost; `settled` is called whenever all that was set
   * off has been done.
   */
  work(isDone: () => boolean, settled: () => void = () => {}): Promise<void> {
    const { admission } = this.engine;
    const isOver = () => isDone() && admission.isSettled;
    return this.journal.work(isOver, () => this.host.isCaughtUp, settled);
  }
}

/** What a journal tells when it is read again was said before. */
function whileProcessing(logger: Logger, context: JournalContext): Logger {
  const say =
    (level: keyof Logger): Logger[keyof Logger] =>
    (message, fields) => {
      if (context.isProcessing()) logger[level](message, fields);
    };
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
}
