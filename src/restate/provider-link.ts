import type { RestatePromise } from '@restatedev/restate-sdk';
import type { Failure } from '../core/classify.js';
import type { BreakerChange } from '../core/events.js';
import type { BreakerPorts, Permit } from '../runtime/breaker.js';
import type { Provider, ProviderConfig } from '../runtime/providers.js';
import { LinkedBreaker, LinkedPool, LinkedRetryBudget } from './linked-provider.js';
import type { Journal, JournalContext } from './journal.js';
import { callJson, sendJson } from './json-calls.js';
import {
  cooldownOf,
  type AcquireMessage,
  type KeptProvider,
  type ReportAnswer,
  type ReportMessage,
} from './shared-provider.js';
import { recordThrown } from './thrown.js';
import {
  JOURNAL_VERSION,
  PROVIDER_OBJECT,
  type LookMessage,
  type Looked,
  type ProviderAnswer,
} from './wire.js';

/** What was heard of a provider is not asked for again for so long, in milliseconds. */
const FRESH_MS = 250;

/** What a provider said to a call that it was told of before the call is judged. */
interface Consulted {
  readonly permit: Permit;
  readonly answer: ReportAnswer;
}

/**
 * A provider as one invocation sees it: a copy of what its virtual object last said, and the way to ask it again. The
 * breaker's chart runs here on the copy, and there on the original.
 */
export class ProviderLink {
  readonly provider: Provider;
  readonly breaker: LinkedBreaker;
  readonly retryBudget: LinkedRetryBudget | undefined;
  /** Slots this invocation holds. */
  readonly slots: string[] = [];
  /** A probe's permit that was handed out and not used yet. */
  permit: Permit | undefined;
  consulted: Consulted | undefined;
  /** What was heard of it last, and when. */
  private known: Looked | undefined;
  private asking: Promise<Looked> | undefined;
  /** Failures that were told without waiting, until the provider has answered. */
  private readonly untaken = new Map<Permit, Promise<void>>();
  /** Permits whose end was told already. */
  readonly reported = new Set<Permit>();
  /** A failure that counts against the retry budget, and was not told yet. */
  isFailureOwed = false;

  constructor(
    readonly key: string,
    readonly config: ProviderConfig,
    private readonly journal: Journal,
    ports: BreakerPorts,
    /** Who hears of changes that come of what is done now. */
    private readonly hearing: () => (change: BreakerChange) => void,
  ) {
    this.breaker = new LinkedBreaker(this, ports);
    this.retryBudget = config.retryBudget && new LinkedRetryBudget(config.retryBudget, this);
    const pool = config.pool && new LinkedPool(config.pool, this, ports);
    this.provider = { key, breaker: this.breaker, pool, retryBudget: this.retryBudget, cooldownUntil: 0 };
  }

  /** Learns how the provider is, without a word to it. */
  async look(): Promise<Looked> {
    // A look does not queue up behind what was told before.
    if (this.untaken.size > 0) await Promise.all(this.untaken.values());
    if (!this.known || this.journal.now() - this.known.now > FRESH_MS) this.take(await this.ask());
    return this.known!;
  }

  /** What somebody else has just learned of it. */
  learn(looked: Looked): void {
    this.take(looked, looked.now);
  }

  /** Those who ask at the same time are told the same. */
  private async ask(): Promise<Looked> {
    this.asking ??= this.journal.answerOf(askHowItIs(this.journal.context, this.key)).then((looked) => {
      this.asking = undefined;
      this.journal.noteTime(looked.now);
      return looked;
    });
    return this.asking;
  }

  async acquire(ask: Omit<AcquireMessage, 'now' | 'who'>): Promise<ProviderAnswer> {
    const message = { ...ask, now: this.journal.now(), who: this.journal.context.request().id };
    const answer = await this.journal.answerOf(this.call<AcquireMessage, ProviderAnswer>('acquire', message));
    this.take(answer);
    return answer;
  }

  /** Takes up what the provider said of itself. */
  take({ provider, permit }: Pick<ProviderAnswer, 'provider' | 'permit'>, at?: number): void {
    const kept = provider as unknown as KeptProvider | null;
    this.permit = permit ?? this.permit;
    if (kept !== null) this.journal.noteTime(kept.now);
    this.known = { provider, now: at ?? this.journal.now() };
    if (kept === null) return;
    this.breaker.takeUp(kept);
    this.retryBudget?.restore(kept.tokens ?? 0);
    this.provider.cooldownUntil = kept.cooldownUntil;
  }

  /** Tells how a call ended, and waits for what the provider says to it. */
  async consult(
    permit: Permit,
    failure: Failure | undefined,
    error: unknown,
    isSlow: boolean,
  ): Promise<Consulted> {
    this.reported.add(permit);
    const now = this.journal.now();
    const message: ReportMessage = {
      now,
      permit,
      outcome: failure === undefined ? 'success' : failure.countsForBreaker ? 'failure' : 'ignored',
      isSlow,
      error: failure === undefined ? null : recordThrown(error),
      openUntil: failure?.openUntil ?? null,
      cooldownUntil: failure ? cooldownOf(failure, now) : null,
      retry: failure === undefined ? 'succeeded' : failure.retryable ? 'failed' : null,
    };
    const answer = await this.journal.answerOf(this.call<ReportMessage, ReportAnswer>('report', message));
    this.take({ provider: answer.provider });
    return { permit, answer };
  }

  /** The provider has answered to the failure of a call that was stopped. */
  whenTaken(permit: Permit): Promise<void> | undefined {
    return this.untaken.get(permit);
  }

  /** Tells how a call ended, where nothing depends on the answer; a failure may open the breaker, and that is heard of. */
  report(permit: Permit, outcome: ReportMessage['outcome'], isSlow: boolean, error: unknown): void {
    if (this.reported.has(permit)) return;
    this.reported.add(permit);
    const retry = outcome === 'success' ? 'succeeded' : this.isFailureOwed ? 'failed' : null;
    this.isFailureOwed = false;
    const isNeutral = outcome === 'ignored' || outcome === 'cancelled';
    if (isNeutral && permit.kind !== 'probe' && retry === null) return;
    if (outcome === 'success' && !this.isNews(permit, isSlow)) return;
    const message: ReportMessage = {
      now: this.journal.now(),
      permit,
      outcome,
      isSlow,
      error: error === undefined ? null : recordThrown(error),
      openUntil: null,
      cooldownUntil: null,
      retry,
    };
    if (outcome === 'failure') this.hearOf(permit, message);
    else this.send('report', message);
  }

  private hearOf(permit: Permit, message: ReportMessage): void {
    const hear = this.hearing();
    const heard = this.journal
      .answerOf(this.call<ReportMessage, ReportAnswer>('report', message))
      .then(({ provider, changes }) => {
        this.untaken.delete(permit);
        this.take({ provider });
        for (const change of changes) hear(change);
      });
    // Its provider's object was ended from outside: whoever waits goes on by what is known here.
    const taken = heard.catch(() => void this.untaken.delete(permit));
    this.untaken.set(permit, taken);
  }

  openUntil(until: number, error: unknown): void {
    this.tellWishes({ openUntil: until, cooldownUntil: null, error: recordThrown(error) });
  }

  /** The provider asked every caller to stay away until then; null: it did not. */
  coolDown(until: number | null): void {
    if (until !== null) this.tellWishes({ openUntil: null, cooldownUntil: until, error: null });
  }

  private tellWishes(wishes: Pick<ReportMessage, 'openUntil' | 'cooldownUntil' | 'error'>): void {
    const now = this.journal.now();
    this.send<ReportMessage>('report', {
      now,
      permit: null,
      outcome: 'ignored',
      isSlow: false,
      retry: null,
      ...wishes,
    });
  }

  /** A slot that was granted and is not used. */
  giveSlotBack(ticket: string): void {
    const at = this.slots.indexOf(ticket);
    if (at === -1) return;
    this.slots.splice(at, 1);
    this.leave(ticket);
  }

  leave(ticket: string): void {
    this.send('leave', { now: this.journal.now(), ticket });
  }

  /** Gives back what was handed out and is not used. */
  giveBackUnused(): void {
    if (this.permit) this.report(this.permit, 'cancelled', false, undefined);
    this.permit = undefined;
  }

  /** A call that went well, of a provider that was well: it changes nothing. */
  private isNews(permit: Permit, isSlow: boolean): boolean {
    const { breaker } = this.config;
    const { failures } = this.breaker.status.window;
    const isWhole = permit.kind === 'call' && failures === 0 && (this.retryBudget?.isFull ?? true);
    return !isWhole || typeof breaker.failures !== 'number' || (isSlow && breaker.slow !== undefined);
  }

  private call<I, O>(method: string, parameter: I): RestatePromise<O> {
    return callJson(this.journal.context, this.target(method, parameter));
  }

  private send<I>(method: string, parameter: I): void {
    sendJson(this.journal.context, this.target(method, parameter));
  }

  private target<I>(method: string, parameter: I) {
    return { service: PROVIDER_OBJECT, method, key: this.key, parameter };
  }
}

/**
 * Asks a provider's virtual object how it is. The version makes the call another one where the charts are others: a journal
 * that was begun under an older version is not taken for one of this.
 */
export function askHowItIs(context: JournalContext, provider: string): RestatePromise<Looked> {
  return callJson<LookMessage, Looked>(context, {
    service: PROVIDER_OBJECT,
    method: 'look',
    key: provider,
    parameter: { version: JOURNAL_VERSION },
  });
}
