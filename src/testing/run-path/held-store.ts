import type { Claim, ClaimRequest, Store } from '../../core/ports.js';

/** A store that answers each claim when it is told to. */
export class HeldStore implements Store {
  private readonly claims: ((claim: Claim) => void)[] = [];
  private readonly given: Claim[] = [];

  claim(_request: ClaimRequest): Promise<Claim> {
    return new Promise((resolve) => {
      const claim = this.given.shift();
      if (claim) resolve(claim);
      else this.claims.push(resolve);
    });
  }

  /** Answers the oldest claim, or else the next one. */
  answer(claim: Claim): void {
    const tell = this.claims.shift();
    if (tell) tell(claim);
    else this.given.push(claim);
  }

  renew(): boolean {
    return true;
  }

  complete(): boolean {
    return true;
  }

  release(): void {}
}
