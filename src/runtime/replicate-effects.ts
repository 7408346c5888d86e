import type { ReplicateStatus } from '../core/evidence/replicate.js';
import { replicateMachine, type ReplicateContext } from '../machines/replicate.js';
import { attemptEffectsOf } from './attempt-effects.js';
import { effectsOf } from './effects.js';
import type { ReplicateRun } from './replicate.js';

/** The `replicate` chart with its effects provided: once for all Troupes. */
export function provideReplicate() {
  const idOf = (context: ReplicateContext) => context.replicateId;
  const effect = effectsOf<ReplicateRun, ReplicateContext>(idOf);
  return replicateMachine.provide({
    actions: {
      ...attemptEffectsOf(idOf),
      awaitTurn: effect((x) => x.bundle.awaitTurn(x)),
      announceReplicate: effect((x) => x.bundle.announceReplicate(x)),
      validateAnswer: effect((x) => x.validate()),
      finish: effect<{ status: ReplicateStatus }>((x, _, { status }) => x.bundle.ended(x, status)),
    },
  });
}
