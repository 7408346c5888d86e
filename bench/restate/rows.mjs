// What is measured on Restate: a way to make one run of each kind, and what it is compared with.
import { restateClient } from '../../dist/restate.js';
import { orThrow } from '../troupe.mjs';

/** @param {string} ingress address of the server's ingress. */
export function rowsOn(ingress) {
  let last = 0;
  const bare = (handler) => async () => {
    const response = await fetch(`${ingress}/Bare/${handler}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `${process.pid}-${++last}` },
      body: JSON.stringify({ question: 'x' }),
    });
    return response.json();
  };
  const clients = {
    plain: restateClient({ ingress, reliable: false }),
    reliable: restateClient({ ingress }),
  };
  const ours = (client, given) => async () =>
    (await clients[client].run({ request: { question: 'x' }, ...given })).content;
  const bundle = async () => {
    const asked = {
      toolName: 'ten',
      request: { question: 'x' },
      toolOptions: { k: 10, stopping: 'fixed', maxParallel: 10 },
    };
    const { evidenceBundle } = orThrow(await clients.reliable.run(asked));
    if (evidenceBundle.meta.issued !== 10)
      throw new Error(`${evidenceBundle.meta.issued} replicates, not 10.`);
    return evidenceBundle.summary.consensus;
  };
  const report = async () => {
    const response = await fetch(`${ingress}/BareProvider/one/report`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ now: Date.now() }),
    });
    await response.json();
    return { answer: 42 };
  };
  return [
    { name: 'bare: one step', run: bare('one') },
    { name: 'bare: two steps', run: bare('begun') },
    { name: 'bare: a look, one step', run: bare('looked') },
    { name: 'bare: five steps', run: bare('five') },
    { name: 'bare: the steps of a plan of five', run: bare('planned') },
    { name: 'bare: a look, ten invocations of one step', run: bare('ten') },
    { name: 'bare: an exclusive call of one object', run: report },
    {
      name: 'Troupe: plain',
      run: ours('plain', { toolName: 'call' }),
      besides: ['bare: two steps', 'bare: one step'],
    },
    {
      name: 'Troupe: reliable',
      run: ours('reliable', { toolName: 'call' }),
      besides: ['bare: a look, one step', 'bare: one step'],
    },
    {
      name: 'Troupe: a plan of five',
      run: ours('reliable', {}),
      besides: ['bare: the steps of a plan of five', 'bare: five steps'],
    },
    {
      name: 'Troupe: a bundle of ten',
      run: bundle,
      besides: ['bare: a look, ten invocations of one step'],
    },
    {
      name: 'Troupe: reliable, with a pool',
      run: ours('reliable', { toolName: 'pooled' }),
      besides: ['Troupe: reliable', 'bare: an exclusive call of one object'],
    },
  ];
}
