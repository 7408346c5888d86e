import { provideBundle } from './bundle-effects.js';
import { compile } from './compiled/compile.js';
import { provideReplicate } from './replicate-effects.js';
import { provideRun } from './run-effects.js';

/** The charts with their effects provided. */
export interface HostedMachines {
  readonly run: ReturnType<typeof provideRun>;
  readonly bundle: ReturnType<typeof provideBundle>;
  readonly replicate: ReturnType<typeof provideReplicate>;
}

let stock: HostedMachines | undefined;
let compiled: HostedMachines | undefined;

/**
 * Made for the first host that asks, and the same for all: to make them takes longer than many runs do.
 *
 * @param isCompiled whether they run on a transition function compiled for them.
 */
export function hostedMachines(isCompiled: boolean): HostedMachines {
  if (!isCompiled) {
    return (stock ??= { run: provideRun(), bundle: provideBundle(), replicate: provideReplicate() });
  }
  return (compiled ??= {
    run: compile(provideRun()),
    bundle: compile(provideBundle()),
    replicate: compile(provideReplicate()),
  });
}
