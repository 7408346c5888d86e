import { backoffDelay } from '../core/backoff.js';
import { settled } from '../core/callbacks.js';
import { applyVerdict, classifyError, isVerdict, makeFailure, type Failure } from '../core/classify.js';
import { describeError, type FailureCategory } from '../core/errors.js';
import type { JsonValue } from '../core/json.js';
import type { JudgedFailure } from '../core/retry.js';
import type { AnyTool } from '../core/tool.js';
import type { Call } from './call.js';
import type { AttemptRecord } from './attempt-record.js';
import type { Host } from './host.js';

/** Judges how calls ended: the defaults, then the user's callbacks, each contained. */
export class Judging {
  /** Tools that failed last time, for planners. */
  private readonly health = new Map<string, { count: number; category: FailureCategory }>();

  constructor(private readonly host: Host) {}

  get failures(): Readonly<Record<string, { count: number; category: FailureCategory }>> {
    return Object.fromEntries(this.health);
  }

  classify(x: AttemptRecord, tool: AnyTool, error: unknown, now: number): Failure {
    const failure = classifyError(error, now);
    const { classify } = this.host.tools.retryConfigOf(x.spec, tool);
    if (!classify) return failure;
    return applyVerdict(failure, this.verdict(x, classify, error));
  }

  /** What `classify` says; nonsense changes nothing, and a warning says so. */
  private verdict(x: AttemptRecord, classify: (error: unknown) => unknown, error: unknown): unknown {
    const verdict = this.contain(x, 'classify', () => classify(error));
    if (verdict === undefined || verdict === null || isVerdict(verdict)) return verdict;
    x.warn('callback_failed', '`classify` gave what is no verdict; its default applies.');
    return undefined;
  }

  /** Content may be a failure too; undefined: it is an answer. */
  classifyResult(x: AttemptRecord, tool: AnyTool, content: JsonValue): Failure | undefined {
    const { classifyResult } = this.host.tools.retryConfigOf(x.spec, tool);
    if (!classifyResult) return undefined;
    const verdict = this.contain(x, 'classifyResult', () => classifyResult(content));
    if (verdict === undefined || verdict === null) return undefined;
    if (!isVerdict(verdict)) {
      x.warn(
        'callback_failed',
        '`classifyResult` gave what is no verdict; the content is taken as an answer.',
      );
      return undefined;
    }
    const failure = makeFailure('unknown', { message: 'The content was classified as a failure.' });
    return applyVerdict(failure, verdict);
  }

  classifyInvalid(x: AttemptRecord, tool: AnyTool, problem: string): Failure {
    const failure = makeFailure('invalid_output', { message: problem });
    const { classify } = this.host.tools.retryConfigOf(x.spec, tool);
    if (!classify) return failure;
    const error = Object.assign(new Error(problem), {
      name: 'InvalidOutputError',
      category: 'invalid_output',
    });
    return applyVerdict(failure, this.verdict(x, classify, error));
  }

  /** What follows from a failure, provider-wide and for this run's next call. */
  judge(x: AttemptRecord, call: Call, failure: Failure, error: unknown): JudgedFailure {
    const { provider } = call.grant;
    const at = this.host.now();
    // Judged already, or nobody's failure: who aborted it decided.
    if (call.aborted) {
      return { at, delayMs: null, retryBudgetAllows: false, ...failure };
    }
    x.lastError = error ?? new Error(failure.message);
    if (this.host.tools.has(call.tool)) this.noteFailed(call.tool.name, failure.category);
    if (failure.category === 'rate_limit' && failure.retryAfterMs !== undefined) {
      this.host.coolDown(provider, at + failure.retryAfterMs);
    }
    if (!x.spec.isReliable) return { at, delayMs: null, retryBudgetAllows: true, ...failure };
    const retryBudgetAllows = !failure.retryable || (provider.retryBudget?.failed() ?? true);
    const delayMs = this.delay(x, call, failure, error);
    return { at, delayMs, retryBudgetAllows, ...failure, ...this.refusal(x, call, at) };
  }

  succeeded(x: AttemptRecord, call: Call): void {
    this.health.delete(call.tool.name);
    if (x.spec.isReliable) call.grant.provider.retryBudget?.succeeded();
  }

  /** The failure of an attempt that took longer than `attemptTimeoutMs`. */
  timedOut(x: AttemptRecord, call: Call): JudgedFailure {
    const message = `The attempt took longer than ${x.spec.config.attemptTimeoutMs} ms (\`attemptTimeoutMs\`).`;
    const error = new DOMException(message, 'TimeoutError');
    return this.judge(x, call, this.classify(x, call.tool, error, this.host.now()), error);
  }

  /** Whether the breaker refuses what would be the next call. */
  private refusal(x: AttemptRecord, call: Call, at: number): { refusedUntil?: number } {
    if (this.host.tools.retryConfigOf(x.spec, call.tool).onOpen === 'wait') return {};
    const refusing = call.grant.provider.breaker.wouldRefuse();
    return refusing ? { refusedUntil: at + (refusing.retryAfterMs ?? Number.MAX_SAFE_INTEGER) } : {};
  }

  /** Null: the caller's `delay` says stop. */
  private delay(x: AttemptRecord, call: Call, failure: Failure, error: unknown): number | null {
    const config = this.host.tools.retryConfigOf(x.spec, call.tool);
    const { attempt } = call.options;
    // Only a failure that can be retried is worth the question.
    const mayRetry = failure.retryable && x.spec.ownsRetries && attempt <= config.maxRetries;
    const given = mayRetry && config.delay && this.contain(x, 'delay', () => config.delay!(attempt, error));
    const isGiven = typeof given === 'number' && Number.isFinite(given);
    if (mayRetry && given !== undefined && given !== null && !isGiven) {
      x.warn('callback_failed', '`delay` gave no finite number; the computed delay is used.');
    }
    if (isGiven && given < 0) return null;
    const computed = backoffDelay(
      attempt - 1,
      config,
      this.host.random(),
      x.lastDelayMs,
      failure.retryAfterMs,
    );
    const delayMs = isGiven
      ? Math.max(Math.min(given, config.maxDelayMs), failure.retryAfterMs ?? 0)
      : computed;
    x.lastDelayMs = delayMs;
    return delayMs;
  }

  private noteFailed(tool: string, category: FailureCategory): void {
    this.health.set(tool, { count: (this.health.get(tool)?.count ?? 0) + 1, category });
  }

  /** A callback that throws never harms a run: its default applies, and a warning says so. */
  private contain<T>(x: AttemptRecord, name: string, call: () => T): T | undefined {
    try {
      const given = call();
      const value = settled(given);
      if (value !== given) x.warn('callback_failed', `\`${name}\` gave a promise, which is not waited for.`);
      return value;
    } catch (error) {
      x.warn('callback_failed', `\`${name}\` threw: ${describeError(error)}. Its default applies.`);
      return undefined;
    }
  }
}
