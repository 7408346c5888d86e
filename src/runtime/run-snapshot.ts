import type { Execution } from './execution.js';
import type { Host } from './host.js';
import type { Participant } from './participant.js';
import type { RunSnapshot } from './run-handle.js';
import { NO_USAGE } from '../core/usage.js';

/** What can be seen of a run now. */
export function snapshotOf(host: Host, participant: Participant, x: Execution | undefined): RunSnapshot {
  const snapshot = x?.actor?.getSnapshot();
  const context = snapshot?.context;
  const wakeAt = context?.wakeAt ?? null;
  return {
    runId: participant.runId,
    traceId: participant.traceId,
    state: snapshot ? statePath(snapshot.value) : 'starting',
    tool: context?.candidates[context.candidate]?.tool ?? null,
    attempts: x?.attempts ?? 0,
    usage: {
      ...(x?.usage ?? NO_USAGE),
    },
    elapsedMs: Math.max(0, Math.round(host.now() - participant.startedAt)),
    wakeAt: wakeAt === null ? null : Math.round(wakeAt),
    ...(x?.bundle ? { bundle: x.bundle.progress } : {}),
  };
}

/** `{ attempting: { awaiting: 'slot' } }` as `attempting.awaiting.slot`. */
function statePath(value: unknown): string {
  if (typeof value === 'string') return value;
  const [key, inner] = Object.entries(value as Record<string, unknown>)[0] ?? ['', ''];
  return inner === '' ? key : `${key}.${statePath(inner)}`;
}
