import type { BreakerSnapshot } from '../../runtime/breaker-snapshot.js';
import type { BreakerRules } from './setting.js';

type State = 'closed' | 'open' | 'half-open' | 'isolated';

/** What became of a call, for its breaker: `neutral` says nothing about the provider. */
export type Verdict = 'success' | 'failure' | 'neutral';

/**
 * A circuit breaker from the rules alone: no chart, nothing of the runtime's. It is told what tools see, and says what
 * state their provider's breaker must be in.
 */
export class BreakerModel {
  state: State = 'closed';
  /** When time last changed its state, or a call last touched it: both in one moment can go either way. */
  private timedAt = 0;
  private touchedAt = 0;
  private doubtedAt = 0;
  private changedAt = 0;
  private now = 0;
  private era = 0;
  private until = 0;
  private openings = 0;
  private handles = 0;
  private good = 0;
  private bad = 0;
  private samples: { at: number; failed: boolean; slow: boolean }[] = [];
  private calls = new Map<number, { era: number; at: number; leaseUntil: number }>();

  constructor(private readonly rules: BreakerRules) {}

  /** A call begins. False: it must not. */
  begin(call: number, now: number): boolean {
    this.passTime(now, false);
    this.touchedAt = now;
    const isProbe = this.state === 'half-open';
    const { probes, leaseMs } = this.rules.halfOpen;
    const isAllowed =
      this.state === 'closed' || (isProbe && this.probing().length + this.good + this.bad < probes);
    this.calls.set(call, { era: this.era, at: now, leaseUntil: isProbe ? now + leaseMs : Infinity });
    return isAllowed;
  }

  settle(call: number, verdict: Verdict, isSlow: boolean, now: number): void {
    const known = this.calls.get(call);
    this.calls.delete(call);
    if (known === undefined || known.era !== this.era) return;
    this.now = this.touchedAt = now;
    if (this.state === 'half-open') {
      if (verdict === 'failure' || (verdict === 'success' && isSlow && this.rules.slow)) this.fail(now);
      else if (verdict === 'success') this.succeed();
    } else if (this.state === 'closed' && verdict !== 'neutral') {
      this.count(verdict === 'failure', isSlow, now);
    }
  }

  /** What falls due by the clock has happened by now. */
  passTime(now: number, withLeases = true): void {
    this.now = now;
    if (withLeases && this.state === 'half-open') {
      for (const [call, { leaseUntil }] of this.probing()) {
        if (leaseUntil > now || this.state !== 'half-open') continue;
        this.calls.delete(call);
        this.timedAt = now;
        this.fail(now);
      }
    }
    if (this.state === 'open' && now >= this.until) {
      this.timedAt = now;
      this.enter('half-open', now + this.rules.halfOpen.deadlineMs);
    } else if (this.state === 'half-open' && now >= this.until) {
      this.timedAt = now;
      if (this.rules.halfOpen.onDeadline === 'closed') this.close();
      else this.open(now);
    }
  }

  /** Its state has changed in this very moment: a call may have been given its permit right before. */
  hasJustChanged(now: number): boolean {
    return this.changedAt === now;
  }

  /** What was seen now can mean one thing or the other. */
  doubt(now: number): void {
    this.doubtedAt = now;
  }

  isDoubtful(now: number): boolean {
    return this.doubtedAt === now || (this.timedAt === now && this.touchedAt === now);
  }

  isolate(): void {
    this.handles += 1;
    if (this.state !== 'isolated') this.enter('isolated', 0);
  }

  release(): void {
    this.handles -= 1;
    if (this.handles === 0) this.close();
  }

  reset(): void {
    if (this.state !== 'isolated') this.close();
  }

  /** Takes a state over: after a restart, or where a moment could go either way. */
  adopt(saved: BreakerSnapshot, now: number): void {
    const isOther = saved.state !== this.state;
    this.state = saved.state;
    if (isOther) this.era += 1;
    this.openings = saved.timesOpened;
    this.good = saved.successes;
    this.bad = saved.failures;
    if (saved.state === 'open') this.until = saved.openUntil ?? now;
    else if (saved.state === 'half-open') this.until = saved.halfOpenUntil ?? now;
    else this.until = 0;
    this.samples = saved.samples.flatMap(([at, calls, failures, slow]) =>
      Array.from({ length: calls }, (_, index) => ({ at, failed: index < failures, slow: index < slow })),
    );
    if (saved.state !== 'half-open' || !isOther) return;
    // Calls made since it became half-open are its probes.
    const { leaseMs, deadlineMs } = this.rules.halfOpen;
    for (const call of this.calls.values()) {
      if (call.at >= this.until - deadlineMs)
        Object.assign(call, { era: this.era, leaseUntil: call.at + leaseMs });
    }
  }

  private probing() {
    return [...this.calls].filter(([, call]) => call.era === this.era && call.leaseUntil !== Infinity);
  }

  private succeed(): void {
    this.good += 1;
    if (this.good >= this.rules.halfOpen.successes) this.close();
  }

  private fail(now: number): void {
    this.bad += 1;
    const { probes, successes } = this.rules.halfOpen;
    if (probes - this.bad < successes) this.open(now);
  }

  private count(failed: boolean, slow: boolean, now: number): void {
    const { window, failures, slow: limit } = this.rules;
    this.samples.push({ at: now, failed, slow });
    const seen = this.inWindow(now);
    const bad = seen.filter((sample) => sample.failed).length;
    const lazy = seen.filter((sample) => sample.slow).length;
    const minimum = typeof failures === 'number' ? failures : failures.minimumCalls;
    const isEnough = seen.length >= minimum;
    const byFailures =
      typeof failures === 'number' ? bad >= failures : isEnough && bad / seen.length >= failures.ratio;
    const bySlow = limit !== undefined && isEnough && lazy / seen.length >= limit.ratio;
    if ((failed && byFailures) || (slow && bySlow)) this.open(now);
    else if (window.kind !== 'consecutive') this.samples = seen;
  }

  private inWindow(now: number) {
    const { window } = this.rules;
    if (window.kind === 'time') return this.samples.filter(({ at }) => now - at < window.ms);
    if (window.kind === 'count') return this.samples.slice(-window.size);
    return this.samples.slice(this.samples.findLastIndex(({ failed }) => !failed) + 1);
  }

  private open(now: number): void {
    this.openings += 1;
    const { openMs, isGrowing } = this.rules;
    this.enter('open', now + (isGrowing ? openMs * 2 ** (this.openings - 1) : openMs));
  }

  private close(): void {
    this.openings = 0;
    this.samples = [];
    this.enter('closed', 0);
  }

  private enter(state: State, until: number): void {
    this.state = state;
    this.changedAt = this.now;
    this.until = until;
    this.era += 1;
    this.good = this.bad = 0;
  }
}
