// The floor: an actor of XState alone, with a chart of the shape of a run that goes well: as many states entered, actions
// and updates of the context, an answer that comes by a promise, and nothing else of what a run does.
import { assign, createActor, setup } from 'xstate';

const nothing = () => {};

const machine = setup({
  actions: {
    ask: nothing,
    leaveQueues: nothing,
    armTimer: nothing,
    disarmTimer: nothing,
    startCall: ({ self }, { call }) => call().then((answer) => self.send({ type: 'call.succeeded', answer })),
    begin: assign({ attempt: ({ context }) => context.attempt + 1, calls: [1], wakeAt: null }),
    land: assign({ calls: [], answer: ({ event }) => event.answer }),
    finish: nothing,
  },
  guards: {
    isReady: ({ context }) => context.candidates.length > 0,
    isLast: ({ context }) => context.calls.length === 1,
  },
}).createMachine({
  id: 'bare',
  context: ({ input }) => ({
    runId: input.id,
    candidates: [input.call],
    attempt: 0,
    calls: [],
    wakeAt: null,
    failures: [],
    deadlineAt: null,
    maxAttempts: 10,
    answer: null,
    end: null,
  }),
  initial: 'starting',
  states: {
    starting: { always: [{ guard: 'isReady', target: 'attempting' }] },
    attempting: {
      initial: 'awaiting',
      states: {
        awaiting: {
          entry: 'ask',
          exit: 'leaveQueues',
          on: { granted: { target: 'calling', actions: 'begin' } },
        },
        calling: {
          entry: [
            { type: 'startCall', params: ({ context }) => ({ call: context.candidates[0] }) },
            { type: 'armTimer', params: { timer: 'attempt' } },
            { type: 'armTimer', params: { timer: 'hedge' } },
          ],
          exit: [
            { type: 'disarmTimer', params: { timer: 'attempt' } },
            { type: 'disarmTimer', params: { timer: 'hedge' } },
            'leaveQueues',
          ],
          on: { 'call.succeeded': [{ guard: 'isLast', target: '#done', actions: 'land' }] },
        },
      },
    },
    done: { id: 'done', type: 'final', entry: 'finish' },
  },
});

let count = 0;

export function runBareActor(call) {
  return new Promise((resolve) => {
    const actor = createActor(machine, { id: 'bare', input: { id: String(++count), call } });
    actor.subscribe({ complete: () => resolve(actor.getSnapshot().context.answer), error: nothing });
    actor.start();
    actor.send({ type: 'granted' });
  });
}
