import type { BreakerChange } from '../core/events.js';
import type { Host } from '../runtime/host.js';
import { Providers, type Provider, type ProviderConfig } from '../runtime/providers.js';
import type { BreakerPorts } from '../runtime/breaker.js';
import type { Journal } from './journal.js';
import { ProviderLink } from './provider-link.js';
import { deadTimers } from './shared-provider.js';

/** The providers of one invocation: copies of what their virtual objects say. */
export class LinkedProviders extends Providers {
  private readonly links = new Map<string, ProviderLink>();
  private readonly hearing: () => (change: BreakerChange) => void;

  /** @param of the Troupe's own, for their options. */
  constructor(
    of: Providers,
    host: Host,
    private readonly journal: Journal,
  ) {
    const hearing = () => {
      const { cause } = host;
      return (change: BreakerChange) => cause?.emit({ type: 'breaker_changed', ...change });
    };
    const ports: BreakerPorts = {
      now: () => journal.now(),
      timers: deadTimers(() => journal.now()),
      watch: undefined,
      changed: (change) => hearing()(change),
      warn: (message, error) => host.internalFault(message, error),
    };
    super(of.reliability, of.pools, ports, () => undefined);
    this.hearing = hearing;
  }

  link(key: string): ProviderLink {
    this.get(key);
    return this.links.get(key)!;
  }

  protected override make(key: string, config: ProviderConfig): Provider {
    const link = new ProviderLink(key, config, this.journal, this.ports, this.hearing);
    this.links.set(key, link);
    return link.provider;
  }
}
