import type { BundleConfig } from '../core/bundle-options.js';
import type { AnyBundleTool } from '../core/bundle-tool.js';
import { customStopping, type TallyView } from '../core/evidence/custom-stopping.js';
import { createStopping, type StopReason, type Stopping } from '../core/evidence/stopping.js';
import {
  partialSummary,
  summarySlices,
  type BundleSummary,
  type PartialSummary,
} from '../core/evidence/summary.js';
import type { Choice } from '../core/evidence/poll.js';
import { Tally, type Draw, type TallyOptions } from '../core/evidence/tally.js';
import type { JsonValue } from '../core/json.js';
import type { Slices } from './slices.js';

export interface EvidenceOptions {
  readonly config: BundleConfig;
  readonly tool: AnyBundleTool;
  readonly slices: Slices;
  /** Runs a task for the bundle: what it throws is a fault of ours. */
  readonly guard: (work: () => void) => void;
  readonly failed: (error: unknown) => void;
  /** Asks a function of the tool in the caller's async context. */
  readonly inScope: <T>(ask: () => T) => T;
  /** All of a batch is counted, or the answers given decide it already. */
  readonly tallied: (stop: StopReason | null, next: number) => void;
}

/**
 * Counts the draws of a bundle as they settle, asks the stopping rule, and reduces. All that may take long, a slow
 * `equivalent` above all, is done in slices.
 *
 * Batches are counted in index order, and judged once they have settled: that is what makes them lossless. With
 * `speculate`, draws are counted and judged as they come.
 */
export class BundleEvidence {
  private readonly stopping: Stopping;
  private readonly tally: Tally;
  private readonly settled: Draw[] = [];
  /** Settled and not counted yet, in the order in which they will be. */
  private readonly waiting: Draw[] = [];
  private nextIndex = 0;
  /** Indexes below it were issued. */
  private batchEnd = 0;
  private isCounting = false;
  /** The rule has stopped it: what settles from now on does not vote. */
  isDecided = false;
  private readonly counted = new Set<number>();
  private isDropped = false;
  private whenCounted: (() => void) | undefined;
  private toldAt = 0;
  /** From now on without the tool's functions. */
  private isHurried = false;
  /** What a window of agreeing answers gave. */
  private windowAnswer: Choice | null = null;

  constructor(private readonly options: EvidenceOptions) {
    const { config, tool } = options;
    const rule = createStopping(config);
    // Functions of the tool may read `this`.
    const shouldStop = (view: TallyView) => options.inScope(() => tool.shouldStop!(view));
    this.stopping = tool.shouldStop ? customStopping(shouldStop, rule) : rule;
    this.tally = new Tally(this.tallyOptions());
  }

  /** How many to ask first. */
  get first(): number {
    const { k, epsilon, speculate } = this.options.config;
    return speculate ? k : this.stopping.nextBatch(this.tally, k, epsilon);
  }

  issue(size: number): void {
    this.batchEnd += size;
  }

  /** A replicate has settled. */
  add(draw: Draw): void {
    this.settled[draw.index] = draw;
    if (this.options.config.speculate) {
      this.waiting.push(draw);
    } else {
      for (let next = this.settled[this.nextIndex]; next; next = this.settled[++this.nextIndex]) {
        this.waiting.push(next);
      }
    }
    if (this.isCounting || this.waiting.length === 0) return;
    this.isCounting = true;
    this.options.slices.drive(this.count(), {
      isWanted: () => !this.isHurried && !this.isDropped,
      done: () =>
        this.options.guard(() => {
          this.isCounting = false;
          this.whenCounted?.();
        }),
      failed: this.options.failed,
    });
  }

  /** After a fault of ours: nothing of it is wanted any more. */
  drop(): void {
    this.isDropped = true;
  }

  /** The state of the votes, where there is something to tell that was not told before. */
  news(): PartialSummary | undefined {
    const { n, votes } = this.tally;
    // Each batch is told of; in bundles of hundreds, each that adds a hundredth.
    if (votes < 2 || n < this.toldAt * 1.01) return undefined;
    this.toldAt = n;
    return partialSummary(this.tally);
  }

  /**
   * Reduces all that has settled. Called again while it is at it, it starts over with what `plain` says.
   *
   * @param plain without the tool's own `equivalent` and `embed`, which may be what takes so long.
   */
  reduce(plain: boolean, done: (summary: BundleSummary) => void): void {
    this.isHurried = plain;
    const finish = () =>
      this.options.slices.drive(this.summary(plain), {
        isWanted: () => this.isHurried === plain && !this.isDropped,
        done: (summary) => this.options.guard(() => done(summary)),
        failed: this.options.failed,
      });
    if (this.isCounting && !plain) this.whenCounted = finish;
    else finish();
  }

  private *count(): Generator<void, void> {
    const { speculate } = this.options.config;
    for (let draw = this.waiting.shift(); draw; draw = this.waiting.shift()) {
      // By arrival, an index is a place in the order of counting.
      if (!this.isDecided) this.counted.add(draw.index);
      yield* this.tally.addSlices(speculate ? { ...draw, index: this.tally.n } : draw);
      if (speculate || this.tally.n === this.batchEnd) this.options.guard(() => this.decide());
      yield;
    }
  }

  private decide(): void {
    if (this.isDecided) return;
    const { config, tallied } = this.options;
    const stop = this.stopping.decide(this.tally, config.k, config.epsilon);
    this.isDecided = stop !== null;
    if (stop === 'esc') this.windowAnswer = this.stopping.answer(this.tally);
    if (stop !== null) tallied(stop, 0);
    else if (config.speculate) tallied(null, 0);
    else tallied(null, this.stopping.nextBatch(this.tally, config.k, config.epsilon));
  }

  private *summary(plain: boolean): Generator<void, BundleSummary> {
    const { config, tool, inScope } = this.options;
    // What settled before the decision and was not counted yet had no part in it.
    const votes = (draw: Draw) => !this.isDecided || this.counted.has(draw.index);
    const draws = this.settled.filter(() => true).map((draw) => (votes(draw) ? draw : without(draw)));
    // Counted by arrival, or without all of the tool's functions: once more, in index order.
    const recount = plain || config.speculate;
    const tally = recount ? new Tally(this.tallyOptions(plain)) : this.tally;
    if (recount) {
      for (const draw of draws) {
        yield* tally.addSlices(draw);
        yield;
      }
    }
    if (plain) {
      const message =
        'The time was up before the answers were reduced: the functions of the tool were left out, and answers compared by their normal forms.';
      tally.warningLog.add({ code: 'reduction_hurried', message });
    }
    const embed = (answer: JsonValue) => inScope(() => tool.embed!(answer));
    const calibrate = (confidence: number) => inScope(() => tool.calibrate!(confidence));
    return yield* summarySlices(tally, {
      limits: config.bundleLimits,
      leader: this.windowAnswer,
      ...(tool.embed && !plain && { embed }),
      ...(tool.calibrate && !plain && { calibrate }),
    });
  }

  private tallyOptions(plain = false): TallyOptions {
    const { config, tool, inScope } = this.options;
    const equivalent = (a: JsonValue, b: JsonValue) => inScope(() => tool.equivalent!(a, b));
    return {
      sets: config.sets,
      fields: config.stopOn === 'fields',
      ...(config.tolerance === undefined ? {} : { tolerance: config.tolerance }),
      ...(tool.equivalent && !plain ? { equivalent } : {}),
    };
  }
}

/** A draw that is listed, and does not vote. */
function without(draw: Draw): Draw {
  return { ...draw, status: 'cancelled', data: null };
}
