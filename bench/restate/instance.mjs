// One process that serves both to Restate: bare handlers on one port, a Troupe on another. bench/restate.mjs starts it.
import * as restate from '@restatedev/restate-sdk';
import { createServer } from 'node:http2';
import { restateEndpoint } from '../../dist/restate.js';
import { BundleTool, defineTool, Troupe } from '../troupe.mjs';

const answer = () => ({ answer: 42 });

// What ours keeps, for as long: an answer under its key, and the journal.
const retentionMs = 900_000;
const kept = { idempotencyRetention: retentionMs, journalRetention: retentionMs };

const bareProvider = restate.object({
  name: 'BareProvider',
  handlers: {
    look: restate.handlers.object.shared(async (context) => ({
      provider: await context.get('state'),
      now: Date.now(),
    })),
    report: async (context, { now }) => {
      const state = (await context.get('state')) ?? { count: 0 };
      context.set('state', { count: state.count + 1, now });
      return state;
    },
  },
});
const look = (context, provider = 'bench') => context.objectClient(bareProvider, provider).look();
const call = (context, name = 'call') => context.run(name, answer);

const bareReplicate = restate.service({
  name: 'BareReplicate',
  options: { journalRetention: retentionMs },
  handlers: { run: (context) => call(context) },
});

const bare = restate.service({
  name: 'Bare',
  options: kept,
  handlers: {
    one: (context) => call(context),
    begun: async (context) => {
      await context.run('begin', () => ({ at: Date.now() }));
      return call(context);
    },
    looked: async (context) => {
      await look(context);
      return call(context);
    },
    five: async (context) => {
      for (let step = 1; step < 5; step++) await call(context, `call ${step}`);
      return call(context, 'call 5');
    },
    planned: async (context) => {
      // A plan may depend on any breaker: each of the Troupe's two providers is looked at.
      await restate.RestatePromise.all([look(context), look(context, 'pooled')]);
      await context.run('plan', () => ['s1', 's2', 's3', 's4', 's5']);
      for (let step = 1; step < 5; step++) await call(context, `call ${step}`);
      return call(context, 'call 5');
    },
    ten: async (context) => {
      await look(context);
      const answers = Array.from({ length: 10 }, () => context.serviceClient(bareReplicate).run());
      return (await restate.RestatePromise.all(answers))[9];
    },
  },
});

class Ten extends BundleTool {
  name = 'ten';
  provider = 'bench';
  replicate() {
    return answer();
  }
}

const steps = ['s1', 's2', 's3', 's4', 's5'];
const troupe = new Troupe({
  tools: [
    ...['call', ...steps].map((name) => defineTool({ name, provider: 'bench', execute: answer })),
    defineTool({ name: 'pooled', provider: 'pooled', execute: answer }),
    new Ten(),
  ],
  pools: { pooled: { size: 64 } },
});
const planner = { plan: () => ({ strategy: 'chain', steps: steps.map((tool) => ({ tool })) }) };
const endpoint = restateEndpoint(troupe, { planner, retentionMs });

const server = createServer(
  restate.createEndpointHandler({ services: [bare, bareReplicate, bareProvider], logger: () => {} }),
);
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
process.send({ bare: server.address().port, ours: await endpoint.listen() });
process.on('disconnect', () => process.exit(0));
