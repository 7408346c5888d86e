import type { ReplicateStatus } from '../core/evidence/replicate.js';
import { replicateMachine, type ReplicateContext } from '../machines/replicate.js';
import { attemptEffectsOf } from './attempt-effects.js';
import type { Host } from './host.js';
import type { ReplicateRun } from './replicate.js';

/** The `replicate` chart with its effects provided: done once per Troupe. */
export function provideReplicate(host: Host) {
  const idOf = (context: ReplicateContext) => context.replicateId;
  const effect = host.effects.of<ReplicateRun, ReplicateContext>(idOf);
  return replicateMachine.provide({
    actions: {
      ...attemptEffectsOf(host, idOf),
      awaitTurn: effect((x) => x.bundle.awaitTurn(x)),
      announceReplicate: effect((x) => x.bundle.announceReplicate(x)),
      validateAnswer: effect((x) => x.validate()),
      finish: effect<{ status: ReplicateStatus }>((x, _, { status }) => x.bundle.ended(x, status)),
    },
  });
}
