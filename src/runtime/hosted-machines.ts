import { provideBundle } from './bundle-effects.js';
import { compile } from './compiled/compile.js';
import type { Host } from './host.js';
import { provideReplicate } from './replicate-effects.js';
import { provideRun } from './run-effects.js';

/** The charts with their effects provided: each once for a host. */
export class HostedMachines {
  private ownRun: ReturnType<typeof provideRun> | undefined;
  private ownBundle: ReturnType<typeof provideBundle> | undefined;
  private ownReplicate: ReturnType<typeof provideReplicate> | undefined;
  private readonly ready: <Machine extends Parameters<typeof compile>[0]>(machine: Machine) => Machine;

  /**
   * @param compiled whether they run on a transition function compiled for them. They are made at once then: the first run
   *   must not pay for it out of its time.
   */
  constructor(
    private readonly host: Host,
    compiled: boolean,
  ) {
    this.ready = compiled ? compile : (machine) => machine;
    if (!compiled) return;
    void [this.run, this.bundle, this.replicate];
  }

  get run() {
    return (this.ownRun ??= this.ready(provideRun(this.host)));
  }

  get bundle() {
    return (this.ownBundle ??= this.ready(provideBundle(this.host)));
  }

  get replicate() {
    return (this.ownReplicate ??= this.ready(provideReplicate(this.host)));
  }
}
