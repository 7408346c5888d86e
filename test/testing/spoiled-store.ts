import type { Claim, ClaimRequest, JsonValue, Store } from '../../src/index.js';

interface Entry {
  readonly fingerprint: string;
  readonly owner: string;
  readonly since: number;
  /** Who held the key before. */
  readonly before?: string;
  until: number;
  /** Undefined while the claim stands. */
  answer?: { readonly output: JsonValue; readonly text: string };
}

/** What a store can do wrong, and one case of the contract that must find it out. */
export const FAULTS = {
  'keeps everybody out': 'a free key is won',
  'has one lock for all keys': 'of 200 claims over 20 keys at once one wins each',
  'checks first and writes later': 'of many claims at once one wins',
  'lets everybody win': 'a held key says until when',
  'does not compare fingerprints while the key is held': 'a held key of another request is a conflict',
  'does not compare fingerprints of answers': 'a stored answer of another request is a conflict',
  'keeps a fingerprint for ever': 'a key whose lease ended is free for another request',
  'keeps its own owner out': 'who holds the key wins it again, for a whole lease',
  'does not begin a lease anew': 'who holds the key wins it again, for a whole lease',
  'says nothing of the lease': 'a held key says until when',
  'never ends a lease': 'a lease ends exactly at its time, and the key is free',
  'ends a lease a millisecond late': 'a lease ends exactly at its time, and the key is free',
  'ends a lease a millisecond early': 'a lease ends exactly at its time, and the key is free',
  'does not prolong a lease': 'a renewed lease holds, from when it was renewed',
  'adds to the lease instead of renewing it': 'a renewed lease holds, from when it was renewed',
  'renews for an hour only': 'a lease that is renewed holds for hours',
  'lets anybody renew': 'only the owner renews',
  'lets former owners renew': 'who lost the key does not renew it',
  'renews what there is not': 'nobody renews what was never claimed',
  'says that it renewed what it dropped': 'a lease that ended is renewed and holds, or is not and is free',
  'lets anybody release': 'only the owner releases',
  'lets former owners release': 'who lost the key does not release it',
  'only marks a claim as released': 'a released claim is not renewed, and stores nothing',
  'releases all that an owner holds': 'a key is released alone, and one that was never claimed does no harm',
  'does not release': 'a released key is free, for any request',
  'throws for what it does not know': 'a key is released alone, and one that was never claimed does no harm',
  'releases answers': 'an answer outlives the lease, and all that is done to its key',
  'drops an answer that is renewed': 'an answer outlives the lease, and all that is done to its key',
  'overwrites answers': 'an answer outlives the lease, and all that is done to its key',
  'keeps an answer as long as the lease': 'an answer outlives the lease, and all that is done to its key',
  'stores answers of those who lost the key': 'who lost the key stores nothing',
  'stores what nobody claimed': 'nobody stores under what was never claimed',
  'says that it stored what it dropped':
    'an answer after the lease ended is stored and found, or is not and the key is free',
  'says nothing of what it stored': 'an answer is found again, unchanged',
  'never forgets an answer': 'an answer expires exactly at its time, read or not',
  'takes milliseconds for seconds': 'an answer expires exactly at its time, read or not',
  'counts the time of an answer from its claim': 'an answer expires exactly at its time, read or not',
  'keeps an answer longer when it is read': 'an answer expires exactly at its time, read or not',
  'wants whole milliseconds': 'times may have fractions',
  'counts time in 32 bits': 'a lease ends exactly at its time, and the key is free',
  'hands its own object out': 'answers are copies: who reads one cannot change the next',
  'keeps the object of its caller': 'answers are copies: who stored one cannot change it',
  'takes an empty answer for none': 'any JSON is found again, unchanged',
  'writes text in Latin 1': 'an answer is found again, unchanged',
  'normalises text': 'any JSON is found again, unchanged',
  'cuts long answers off': 'an answer of 1 MiB is found again, unchanged',
  'cuts deep answers off': 'an answer 1000 levels deep is found again, unchanged',
  'does not tell upper from lower case in keys': 'keys do not meet, whatever they hold',
  'trims keys': 'keys do not meet, whatever they hold',
  'ends keys at NUL': 'keys do not meet, whatever they hold',
  'cuts keys at 255 characters': 'keys do not meet, whatever they hold',
  'normalises keys': 'keys do not meet, whatever they hold',
  'keeps records in a plain object': 'keys do not meet, whatever they hold',
  'does not tell upper from lower case in owners': 'owners and fingerprints do not meet either',
  'keeps the first snapshot of a breaker': 'the last snapshot of each breaker is found again, unchanged',
  'does not tell upper from lower case in providers':
    'the last snapshot of each breaker is found again, unchanged',
  'saves breakers that it cannot load': 'the last snapshot of each breaker is found again, unchanged',
  'cannot be closed twice': 'it closes, and closing it again does no harm',
} as const;

export type Fault = keyof typeof FAULTS;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A store that answers by promise, and does at most one thing wrong. */
export class SpoiledStore implements Store {
  private readonly records = new Map<string, Entry>();
  private readonly breakers = new Map<string, JsonValue>();
  private isClosed = false;

  constructor(
    private readonly ttlMs: number,
    private readonly fault?: Fault,
  ) {
    if (fault === 'saves breakers that it cannot load') Object.assign(this, { loadBreakers: undefined });
  }

  async saveBreaker({ provider, snapshot }: { provider: string; snapshot: JsonValue }): Promise<void> {
    const id = this.is('does not tell upper from lower case in providers')
      ? provider.toLowerCase()
      : provider;
    if (this.is('keeps the first snapshot of a breaker') && this.breakers.has(id)) return;
    this.breakers.set(id, structuredClone(snapshot));
  }

  async loadBreakers(): Promise<JsonValue[]> {
    return [...this.breakers.values()];
  }

  async claim({ key, fingerprint, owner, leaseMs, now: at }: ClaimRequest): Promise<Claim> {
    const now = this.time(at);
    const id = this.idOf(key);
    const found = this.records.get(id);
    if (this.is('checks first and writes later')) await turn();
    if (this.is('keeps records in a plain object') && key in {}) return { kind: 'conflict' };
    if (this.is('keeps everybody out')) return { kind: 'held', retryAfterMs: leaseMs };
    if (this.is('has one lock for all keys') && !found && this.records.size > 0) {
      return { kind: 'held', retryAfterMs: leaseMs };
    }
    const isSame = found?.fingerprint === fingerprint;
    if (found && this.is('keeps a fingerprint for ever') && !isSame) return { kind: 'conflict' };
    if (found?.answer && (found.until > now || this.is('never forgets an answer'))) {
      if (!isSame && !this.is('does not compare fingerprints of answers')) return { kind: 'conflict' };
      if (this.is('keeps an answer longer when it is read')) found.until = now + this.ttlMs;
      return { kind: 'stored', output: this.outputOf(found.answer) };
    }
    const isOwn = this.isOwner(found, owner);
    if (found && !found.answer && this.holds(found, now) && (!isOwn || this.is('keeps its own owner out'))) {
      const isCompared = !this.is('does not compare fingerprints while the key is held');
      if (!isSame && isCompared) return { kind: 'conflict' };
      const retryAfterMs = this.is('says nothing of the lease') ? leaseMs : found.until - now;
      return { kind: 'held', retryAfterMs };
    }
    const until = isOwn && this.is('does not begin a lease anew') ? found!.until : now + leaseMs;
    const before = isOwn ? found!.before : found?.owner;
    const since = isOwn ? found!.since : now;
    this.records.set(id, { fingerprint, owner, since, until, ...(before === undefined ? {} : { before }) });
    return { kind: 'won' };
  }

  async renew({
    key,
    owner,
    leaseMs,
    now: at,
  }: {
    key: string;
    owner: string;
    leaseMs: number;
    now: number;
  }) {
    const now = this.time(at);
    const found = this.records.get(this.idOf(key));
    if (found?.answer && this.is('drops an answer that is renewed')) delete found.answer;
    if (!found) return this.is('renews what there is not');
    const isFormer = this.is('lets former owners renew') && found.before === owner;
    const mayRenew = this.isOwner(found, owner) || this.is('lets anybody renew') || isFormer;
    if (found.answer || !mayRenew) return false;
    if (this.is('renews for an hour only') && now - found.since > 3_600_000) return false;
    if (found.until <= now && this.is('says that it renewed what it dropped')) return true;
    if (this.is('does not prolong a lease')) return true;
    found.until = this.is('adds to the lease instead of renewing it') ? found.until + leaseMs : now + leaseMs;
    return true;
  }

  async complete({
    key,
    owner,
    output,
    now: at,
  }: {
    key: string;
    owner: string;
    output: JsonValue;
    now: number;
  }) {
    const now = this.time(at);
    const id = this.idOf(key);
    const found = this.records.get(id);
    if (!found && !this.is('stores what nobody claimed')) return false;
    if (found?.answer && !this.is('overwrites answers')) return false;
    const isOwn = this.isOwner(found, owner) || !found || found.answer !== undefined;
    if (!isOwn && !this.is('stores answers of those who lost the key')) return false;
    if (found && found.until <= now && this.is('says that it stored what it dropped')) return true;
    const { fingerprint = 'f', since = now, until: leaseUntil = now } = found ?? {};
    const from = this.is('counts the time of an answer from its claim') ? leaseUntil - 1000 : now;
    const ttlMs = this.is('takes milliseconds for seconds') ? this.ttlMs / 1000 : this.ttlMs;
    const until = this.is('keeps an answer as long as the lease') ? leaseUntil : from + ttlMs;
    const text = this.textOf(output);
    const kept = this.is('keeps the object of its caller') ? output : (JSON.parse(text) as JsonValue);
    this.records.set(id, { fingerprint, owner, since, until, answer: { output: kept, text } });
    return this.is('says nothing of what it stored') ? (undefined as unknown as boolean) : true;
  }

  async release({ key, owner }: { key: string; owner: string }): Promise<void> {
    const found = this.records.get(this.idOf(key));
    if (this.is('does not release')) return;
    if (!found && this.is('throws for what it does not know')) throw new Error(`No record of ${key}`);
    if (this.is('releases all that an owner holds')) {
      for (const [id, entry] of this.records) if (entry.owner === owner) this.records.delete(id);
    }
    if (found?.answer && !this.is('releases answers')) return;
    if (found && this.is('only marks a claim as released')) found.until = 0;
    else if (this.isOwner(found, owner) || this.is('lets anybody release'))
      this.records.delete(this.idOf(key));
    else if (this.is('lets former owners release') && found?.before === owner)
      this.records.delete(this.idOf(key));
  }

  async close(): Promise<void> {
    if (this.isClosed && this.is('cannot be closed twice')) throw new Error('It is closed.');
    this.isClosed = true;
  }

  private is(fault: Fault): boolean {
    return this.fault === fault;
  }

  private holds({ until }: Entry, now: number): boolean {
    if (this.is('lets everybody win')) return false;
    if (this.is('never ends a lease')) return true;
    if (this.is('ends a lease a millisecond late')) return until > now - 1;
    if (this.is('ends a lease a millisecond early')) return until > now + 1;
    return until > now;
  }

  private isOwner(found: Entry | undefined, owner: string): boolean {
    if (!this.is('does not tell upper from lower case in owners')) return found?.owner === owner;
    return found?.owner.toLowerCase() === owner.toLowerCase();
  }

  private time(now: number): number {
    if (this.is('wants whole milliseconds')) return Number(BigInt(now));
    return this.is('counts time in 32 bits') ? Math.min(now, 2 ** 31 - 1) : now;
  }

  private idOf(key: string): string {
    if (this.is('does not tell upper from lower case in keys')) return key.toLowerCase();
    if (this.is('trims keys')) return key.trim();
    if (this.is('ends keys at NUL')) return key.split('\0')[0]!;
    if (this.is('cuts keys at 255 characters')) return key.slice(0, 255);
    return this.is('normalises keys') ? key.normalize('NFC') : key;
  }

  private textOf(output: JsonValue): string {
    const text = JSON.stringify(output, (_name, value: unknown) =>
      this.is('normalises text') && typeof value === 'string' ? value.normalize('NFC') : value,
    );
    if (this.is('writes text in Latin 1')) return Buffer.from(text, 'ascii').toString('utf8');
    if (this.is('cuts long answers off') && text.length > 65_535) return '{}';
    return this.is('cuts deep answers off') && text.startsWith('[{"in":'.repeat(9)) ? '[]' : text;
  }

  private outputOf({ output, text }: NonNullable<Entry['answer']>): JsonValue {
    if (this.is('hands its own object out')) return output;
    if (this.is('keeps the object of its caller')) return structuredClone(output);
    if (this.is('takes an empty answer for none') && !JSON.parse(text)) return {};
    return JSON.parse(text) as JsonValue;
  }
}
