/** What the words of charts mean, for who never saw a statechart or a circuit breaker. */
const WORDS: Readonly<Record<string, string>> = {
  'breaker closed':
    'Closed: all is well, calls go through. As in an electric circuit, closed means that current flows. Troupe counts failures; too many of them open it.',
  'breaker open':
    'Open: the provider failed too often, so calls are refused at once, without asking it and without cost. After a pause the breaker becomes half-open.',
  'breaker half-open':
    'Half-open: the pause is over, and a few trial calls (probes) may go through to see whether the provider is well again. Enough successes close the breaker; if they fail it opens again.',
  'breaker isolated':
    'Isolated: somebody switched it off by hand (`troupe.breaker(name).isolate()`). Everything is refused until that is taken back.',
  'run attempting.backingOff':
    'The last call failed and may be retried; the run waits a moment, longer after each failure, so as not to make things worse.',
  'run attempting.awaiting.slot':
    'The provider’s pool is full: so many calls at a time are allowed. The run has its place in the queue.',
  'run attempting.awaiting.budget':
    'What is left of the budget is held by calls in flight. When one settles below what was reserved for it, this one may go.',
  'run attempting.awaiting.breaker':
    'The provider’s breaker is open; the run waits until it lets calls through again.',
  'run attempting.awaiting.cooldown': 'The provider asked everybody to come back later (Retry-After).',
  'run attempting.calling': 'The tool is being called; nothing is known of its answer yet.',
  'run attempting.overrunning':
    'The call took too long and was told to stop. It gets a moment to do so before the run goes on.',
  'run settling':
    'The run is to end. Calls that are still going on were told to stop, and it waits for each of them, so that nothing goes on unseen.',
  'replicate queued': 'One of several answers to the same question; it waits until it is its turn.',
  'bundle draining': 'The answers so far decide it. What is still being asked is stopped, and waited for.',
  'budget level.warned': 'Most of a limit is spent.',
  'budget level.exhausted': 'A limit is spent: no call is made any more.',
};

/** In plain words, or what the chart itself says. */
export function meaningOf(chart: string, path: string, description: string): string {
  return WORDS[`${chart} ${path}`] ?? description;
}
