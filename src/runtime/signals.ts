type OnAbort = (reason: unknown) => void;

/** One listener a signal, however many runs share it: Node warns of more than ten. */
const listeners = new WeakMap<AbortSignal, { readonly waiting: Set<OnAbort>; stop(): void }>();

/** Calls `fn` once, when the signal is aborted, at once if it is already. Returns how to stop listening. */
export function onAbort(signal: AbortSignal, fn: OnAbort): () => void {
  if (signal.aborted) {
    fn(signal.reason);
    return () => {};
  }
  const shared = listeners.get(signal) ?? listen(signal);
  shared.waiting.add(fn);
  return () => {
    shared.waiting.delete(fn);
    if (shared.waiting.size === 0) shared.stop();
  };
}

function listen(signal: AbortSignal) {
  const waiting = new Set<OnAbort>();
  const aborted = () => {
    shared.stop();
    for (const fn of waiting) fn(signal.reason);
    waiting.clear();
  };
  const shared = {
    waiting,
    stop: () => {
      listeners.delete(signal);
      signal.removeEventListener('abort', aborted);
    },
  };
  signal.addEventListener('abort', aborted, { once: true });
  listeners.set(signal, shared);
  return shared;
}
