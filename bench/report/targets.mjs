/**
 * What SPEC section 4 asks of the speed, beside what was measured. Only rows of one process are compared: what it asks
 * of large bundles is measured by `bench:scale`.
 */
export function targetsOf(groups) {
  const medians = (rows) => new Map(rows.filter(({ id }) => id).map(({ id, us }) => [id, us.median]));
  const plain = medians(groups.flatMap(({ rows }) => rows));
  // Against peers that switch on async hooks, Troupe is measured with them switched on.
  const hooked = medians(groups.flatMap(({ hooked: rows = [] }) => rows));
  const targets = [
    {
      what: 'A reliable run with key, budget and deadline, to Effect',
      of: 'full',
      to: 'effect',
      atMost: 1.5,
    },
    { what: 'The same: the aim', of: 'full', to: 'effect', atMost: 0.44 },
    { what: 'The same, to LangGraph.js with one node', of: 'full', to: 'langgraph', atMost: 1 / 20 },
    { what: 'A bundle of ten with reduction, to Effect.all', of: 'bundle-10', to: 'effect-10', atMost: 1 },
    {
      what: 'The same, to LangGraph.js with a fan-out of ten',
      of: 'bundle-10',
      to: 'langgraph-10',
      atMost: 1 / 8,
    },
  ];
  return targets.flatMap(({ what, of, to, atMost }) => {
    const figures = plain.has(to) ? plain : hooked;
    if (!figures.has(of) || !figures.has(to)) return [];
    const ratio = figures.get(of) / figures.get(to);
    return [{ what, atMost, ratio, isMet: ratio <= atMost }];
  });
}
