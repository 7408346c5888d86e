import { atLeastZero, negate, sum, unitOf, type Account, type Budget, type Shortage } from './budget.js';
import { NOTHING, roundUsd, type Amount } from './usage.js';

/**
 * What one call holds of its run's accounts, from reservation to settlement. Nested runs are reserved against it,
 * so that a call that holds all that is left can still make them.
 */
export class Allowance implements Account {
  private held: Amount;
  /** Charged by the call itself while it runs. */
  private ownCharged: Amount = NOTHING;
  private nestedHeld: Amount = NOTHING;
  private nestedUsed: Amount = NOTHING;
  private nestedBlocked: Amount = NOTHING;
  /** Nested runs, at any depth, that wait for a reservation. */
  private waitingBelow = 0;
  private reportedBlocked: Amount = NOTHING;
  private settled = false;
  private waiters: Set<() => void> | undefined;

  constructor(
    private readonly accounts: readonly Account[],
    /** What was reserved when the call began. */
    readonly reserved: Amount,
    now: number,
  ) {
    this.held = reserved;
    for (const account of accounts) account.take(reserved, now);
  }

  get charged(): Amount {
    return this.ownCharged;
  }

  /** Of what was reserved, what nested runs have not used. */
  get reservedForOwn(): Amount {
    return atLeastZero(sum(this.reserved, negate(this.nestedUsed)));
  }

  /** True while the call, or a nested one, holds a reservation. */
  get isOpen(): boolean {
    return !this.settled;
  }

  /** Counts usage of the call itself. Returns the shortage if that is more than the accounts have. */
  charge(used: Amount, now: number): Shortage | null {
    this.ownCharged = sum(this.ownCharged, used);
    const missing = this.missing(NOTHING);
    if (missing === NOTHING) return null;
    const short = firstShortage(this.accounts, missing, now, this.held);
    const room = roomOf(this.accounts, now);
    this.extend(missing, now);
    if (short === null) return null;
    // What is held counts as used here: the charge came on top of it.
    const over = unitOf(missing, short.resource) - unitOf(room, short.resource);
    return { ...short, actual: short.limit + over, mayPass: false, isCharged: true };
  }

  /** Ends it: the accounts are told what the call itself used; what nested runs used is added here. */
  close(own: Amount): void {
    if (this.settled) return;
    this.settled = true;
    const used = sum(own, this.nestedUsed);
    for (const account of this.accounts) account.settle(this.held, used);
    this.wake();
  }

  get limitsCost(): boolean {
    return this.accounts.some((account) => account.limitsCost);
  }

  drawsOn(budget: Budget): boolean {
    return this.accounts.some((account) => account.drawsOn(budget));
  }

  room(now: number): Amount {
    const free = this.free();
    const beyond = roomOf(this.accounts, now);
    return { tokens: free.tokens + beyond.tokens, costUsd: free.costUsd + beyond.costUsd };
  }

  /** Siblings that wait themselves are not waited for: two that each hold part would wait for ever. */
  shortage(need: Amount, now: number, own: Amount = NOTHING): Shortage | null {
    const missing = this.missing(need);
    const short = missing === NOTHING ? null : firstShortage(this.accounts, missing, now, this.held);
    if (short === null) return null;
    // Siblings of the nested run hold part of this allowance, and may give it back.
    const held = sum(this.nestedHeld, negate(sum(own, this.nestedBlocked)));
    const siblings = unitOf(held, short.resource) > 1e-12;
    return siblings ? { ...short, mayPass: true } : short;
  }

  take(need: Amount, now: number): void {
    const missing = this.missing(need);
    if (missing !== NOTHING) this.extend(missing, now);
    this.nestedHeld = sum(this.nestedHeld, need);
  }

  settle(reserved: Amount, used: Amount): void {
    this.nestedHeld = atLeastZero(sum(this.nestedHeld, negate(reserved)));
    this.nestedUsed = sum(this.nestedUsed, used);
    this.wake();
  }

  block(held: Amount): void {
    this.nestedBlocked = sum(this.nestedBlocked, held);
    this.blockOwn();
  }

  unblock(held: Amount): void {
    this.nestedBlocked = atLeastZero(sum(this.nestedBlocked, negate(held)));
    this.unblockOwn();
  }

  whenFreed(fn: () => void): () => void {
    (this.waiters ??= new Set()).add(fn);
    this.blockOwn();
    const stops = this.accounts.map((account) => account.whenFreed(fn));
    let isWaiting = true;
    return () => {
      if (!isWaiting) return;
      isWaiting = false;
      this.waiters?.delete(fn);
      this.unblockOwn();
      for (const stop of stops) stop();
    };
  }

  private blockOwn(): void {
    this.waitingBelow += 1;
    if (this.waitingBelow > 1) return;
    this.reportedBlocked = this.held;
    for (const account of this.accounts) account.block(this.held);
  }

  private unblockOwn(): void {
    this.waitingBelow -= 1;
    if (this.waitingBelow > 0) return;
    for (const account of this.accounts) account.unblock(this.reportedBlocked);
  }

  private free(): Amount {
    const taken = sum(sum(this.ownCharged, this.nestedHeld), this.nestedUsed);
    return atLeastZero(sum(this.held, negate(taken)));
  }

  /** How much more the accounts must give for `need` to fit; the NOTHING constant when it fits. */
  private missing(need: Amount): Amount {
    const taken = sum(sum(this.ownCharged, this.nestedHeld), sum(this.nestedUsed, need));
    const missing = atLeastZero(sum(taken, negate(this.held)));
    return missing.tokens === 0 && missing.costUsd === 0 ? NOTHING : missing;
  }

  private extend(missing: Amount, now: number): void {
    this.held = sum(this.held, missing);
    for (const account of this.accounts) account.take(missing, now);
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = undefined;
    for (const wake of waiters ?? []) wake();
  }
}

/** What all accounts have room for. */
export function roomOf(accounts: readonly Account[], now: number): Amount {
  let tokens = Infinity;
  let costUsd = Infinity;
  for (const account of accounts) {
    const room = account.room(now);
    tokens = Math.min(tokens, room.tokens);
    costUsd = Math.min(costUsd, room.costUsd);
  }
  return { tokens, costUsd: roundUsd(costUsd) };
}

/** What keeps `need` from being reserved; one that will not pass wins over one that may. */
export function firstShortage(
  accounts: readonly Account[],
  need: Amount,
  now: number,
  own?: Amount,
): Shortage | null {
  let found: Shortage | null = null;
  for (const account of accounts) {
    const short = account.shortage(need, now, own);
    if (short && !short.mayPass) return short;
    found ??= short;
  }
  return found;
}

/**
 * What a call reserves: its estimate, else the most a call of its tool has used, else all that is left.
 */
export function reservation(
  estimate: Partial<Amount> | null | undefined,
  learned: { readonly tokens: number; readonly costUsd?: number | undefined } | null | undefined,
  room: Amount,
): Amount {
  if (!estimate && !learned) return { tokens: finite(room.tokens), costUsd: finite(room.costUsd) };
  return {
    tokens: estimate?.tokens ?? learned?.tokens ?? finite(room.tokens),
    costUsd: estimate?.costUsd ?? learned?.costUsd ?? 0,
  };
}

function finite(amount: number): number {
  return amount === Infinity ? 0 : amount;
}
