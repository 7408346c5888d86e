/** Kept, as tests replace the global one by a fake that never comes. */
const nextTurn = globalThis.setImmediate;

/** Lets turns of the event loop pass: in each, every promise that can go on has gone on. */
export async function turns(count = 1): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => nextTurn(resolve));
}
