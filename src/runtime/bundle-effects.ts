import type { BundleStatus } from '../core/evidence/bundle.js';
import type { AbortCause } from '../machines/attempt.js';
import { bundleMachine, type BundleContext } from '../machines/bundle.js';
import type { Bundle } from './bundle.js';
import { effectsOf } from './effects.js';

/** The `bundle` chart with its effects provided: once for all Troupes. */
export function provideBundle() {
  const effect = effectsOf<Bundle, BundleContext>((context) => context.bundleId);
  return bundleMachine.provide({
    actions: {
      issueBatch: effect<{ size: number }>((bundle, _, { size }) => bundle.issue(size)),
      abortReplicates: effect<{ cause: AbortCause }>((bundle, _, { cause }) => bundle.abort(cause)),
      announceDecided: effect((bundle) => bundle.announceDecided()),
      summarise: effect<{ plain: boolean }>((bundle, _, { plain }) => bundle.reduce(plain)),
      armTimer: effect<{ inMs: number }>((bundle, _, { inMs }) => bundle.armGrace(inMs)),
      disarmTimer: effect((bundle) => bundle.disarm()),
      finish: effect<{ status: BundleStatus | 'cut' }>((bundle, _, { status }) => bundle.finish(status)),
    },
  });
}
