/** Tokens and US dollars. */
export interface BudgetOracleAmount {
  readonly tokens: number;
  readonly costUsd: number;
}

export interface BudgetOracleRequest {
  /** What a tool's calls reported is remembered for its next ones. */
  readonly tool: string;
  /** What a call is expected to use, as far as the tool says. */
  readonly estimate?: Partial<BudgetOracleAmount>;
  /** In milliseconds; Infinity is none. */
  readonly timeoutMs: number;
}

export interface BudgetOracleEnd {
  readonly status: 'completed' | 'failed' | 'budget_exceeded' | 'timed_out' | 'cancelled';
  /** What there was too little of; null: that is not why it ended. */
  readonly resource: 'tokens' | 'cost' | null;
}

/** A run of one call. */
export interface BudgetOracleRun {
  readonly request: BudgetOracleRequest;
  readonly deadline: number;
  state: 'waiting' | 'calling' | 'ended';
  /** What its call was reserved for. */
  reserved: BudgetOracleAmount;
  /** What its call charged while it went on. */
  charged: BudgetOracleAmount;
  end: BudgetOracleEnd | null;
}

const NOTHING = { tokens: 0, costUsd: 0 };
const UNITS = ['tokens', 'costUsd'] as const;
type Unit = (typeof UNITS)[number];

/**
 * A budget that several runs share, written a second time from the rules alone. Each run makes one call, and a call
 * that is aborted settles at once. Time begins at 0 and passes by {@link BudgetOracle.elapse}.
 */
export class BudgetOracle {
  /** In order of arrival; a run is named by its place here. */
  readonly runs: BudgetOracleRun[] = [];
  /** Runs whose tool was called, in the order of the calls. */
  readonly called: number[] = [];
  spent: BudgetOracleAmount = NOTHING;
  private now = 0;
  private readonly most: Record<string, BudgetOracleAmount> = {};

  /** @param limits Infinity is none. */
  constructor(private readonly limits: BudgetOracleAmount) {}

  /** What calls in flight hold. A call that charged more than it had reserved holds that. */
  get reserved(): BudgetOracleAmount {
    const calling = this.runs.filter(({ state }) => state === 'calling');
    return calling.reduce<BudgetOracleAmount>((all, { reserved, charged }) => {
      return plus(all, highest(reserved, charged));
    }, NOTHING);
  }

  /** A run arrives. If its call fits it is made, though others may wait whose calls do not. */
  start(request: BudgetOracleRequest): void {
    const deadline = this.now + request.timeoutMs;
    this.runs.push({ request, deadline, state: 'waiting', reserved: NOTHING, charged: NOTHING, end: null });
    this.ask(this.runs.length - 1);
  }

  /** A call answers. `usage`: what it says it used, if it says so. */
  ok(run: number, usage?: BudgetOracleAmount): void {
    const { request, charged } = this.runs[run]!;
    const end = { status: 'completed', resource: null } as const;
    if (usage === undefined) return this.settle(run, this.unreported(run), end);
    this.learn(request.tool, usage);
    this.settle(run, highest(usage, charged), end);
  }

  /** A call fails. `isHarmless`: it certainly did nothing. */
  fail(run: number, isHarmless: boolean): void {
    const used = isHarmless ? this.runs[run]!.charged : this.unreported(run);
    this.settle(run, used, { status: 'failed', resource: null });
  }

  /** A call says that it has used so much more. Beyond the budget it is aborted. */
  charge(run: number, amount: BudgetOracleAmount): void {
    const call = this.runs[run]!;
    const before = this.left();
    const held = highest(call.reserved, call.charged);
    call.charged = plus(call.charged, amount);
    const over = UNITS.filter((unit) => call.charged[unit] - held[unit] > before[unit]);
    // Rather what is spent for certain than what others may give back.
    const spent = over.find((unit) => this.spent[unit] + call.charged[unit] > this.limits[unit]);
    const short = spent ?? over[0];
    if (short) this.stop(run, { status: 'budget_exceeded', resource: resourceOf(short) });
  }

  /** The caller cancels. */
  abort(run: number): void {
    this.stop(run, { status: 'cancelled', resource: null });
  }

  /** Time passes; who is out of time at one moment is so before anything comes of it. */
  elapse(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const open = this.runs.filter(({ state }) => state !== 'ended');
      const next = Math.min(...open.map(({ deadline }) => deadline));
      if (next > end) break;
      this.now = next;
      const late = open.filter(({ deadline }) => deadline === next);
      // First those that only wait, so that nobody is called in the moment of its deadline.
      late.sort((a, b) => Number(a.state === 'calling') - Number(b.state === 'calling'));
      for (const run of late) this.stop(this.runs.indexOf(run), { status: 'timed_out', resource: null });
    }
    this.now = end;
  }

  private left(): BudgetOracleAmount {
    const { limits, spent, reserved } = this;
    const left = (unit: Unit) => Math.max(0, limits[unit] - spent[unit] - reserved[unit]);
    return { tokens: left('tokens'), costUsd: left('costUsd') };
  }

  /** Its estimate; for what that leaves out, the most that a call of the tool has used; else all that is left. */
  private need({ tool, estimate }: BudgetOracleRequest): BudgetOracleAmount {
    const known = { ...this.most[tool], ...estimate };
    const left = this.left();
    const all = (unit: Unit) => (this.limits[unit] === Infinity ? 0 : left[unit]);
    // Where there is an estimate that leaves out the cost, it is taken to be none.
    const costUsd = known.costUsd ?? (estimate ? 0 : all('costUsd'));
    return { tokens: known.tokens ?? all('tokens'), costUsd };
  }

  /** Calls the run's tool if that fits, lets it wait if it may fit later, and ends it otherwise. */
  private ask(index: number): void {
    const run = this.runs[index]!;
    const need = this.need(run.request);
    const left = this.left();
    const { limits, spent, reserved } = this;
    const short = UNITS.filter((unit) => {
      return limits[unit] !== Infinity && (left[unit] === 0 || need[unit] > left[unit]);
    });
    const hopeless = short.find((unit) => {
      return reserved[unit] === 0 || spent[unit] >= limits[unit] || spent[unit] + need[unit] > limits[unit];
    });
    if (hopeless) return this.finish(run, { status: 'budget_exceeded', resource: resourceOf(hopeless) });
    if (short.length > 0) return;
    run.state = 'calling';
    run.reserved = need;
    this.called.push(index);
  }

  /** What a call counts as that does not say what it used. */
  private unreported(run: number): BudgetOracleAmount {
    const { request, reserved, charged } = this.runs[run]!;
    if (charged.tokens === 0 && charged.costUsd === 0) return reserved;
    this.learn(request.tool, charged);
    return charged;
  }

  private learn(tool: string, used: BudgetOracleAmount): void {
    this.most[tool] = highest(used, this.most[tool] ?? NOTHING);
  }

  private stop(index: number, end: BudgetOracleEnd): void {
    const run = this.runs[index]!;
    if (run.state === 'waiting') this.finish(run, end);
    // How far it came is unknown.
    if (run.state === 'calling') this.settle(index, highest(run.reserved, run.charged), end);
  }

  private settle(index: number, used: BudgetOracleAmount, end: BudgetOracleEnd): void {
    this.spent = plus(this.spent, used);
    this.finish(this.runs[index]!, end);
    const { limits, spent, reserved } = this;
    const isTaken = UNITS.some((unit) => reserved[unit] > 0 && spent[unit] + reserved[unit] >= limits[unit]);
    // While calls in flight hold all that is left, nobody need be asked. Else first come, first served.
    const waiting = isTaken ? [] : this.runs.filter(({ state }) => state === 'waiting');
    for (const run of waiting) this.ask(this.runs.indexOf(run));
  }

  private finish(run: BudgetOracleRun, end: BudgetOracleEnd): void {
    run.state = 'ended';
    run.end = end;
  }
}

function plus(a: BudgetOracleAmount, b: BudgetOracleAmount): BudgetOracleAmount {
  return { tokens: a.tokens + b.tokens, costUsd: a.costUsd + b.costUsd };
}

function highest(a: BudgetOracleAmount, b: BudgetOracleAmount): BudgetOracleAmount {
  return { tokens: Math.max(a.tokens, b.tokens), costUsd: Math.max(a.costUsd, b.costUsd) };
}

function resourceOf(unit: Unit): 'tokens' | 'cost' {
  return unit === 'tokens' ? 'tokens' : 'cost';
}
