// One instance of a service, in a process of its own that can be killed: its tools ask the test's server what to do.
const { dist, name, port, tools: toolsAt, troupe: given } = JSON.parse(process.env.INSTANCE);
const { provider, endpoint: served = {}, ...options } = given;
const { BundleTool, defineTool, Troupe } = await import(`${dist}/index.js`);
const { restateEndpoint } = await import(`${dist}/restate.js`);

/** What the test's server answers, as a model would. */
async function ask(tool, request, { idempotencyKey, signal }, index) {
  const answer = await fetch(toolsAt, {
    method: 'POST',
    body: JSON.stringify({ tool, request, key: idempotencyKey, instance: name, index: index ?? null }),
    signal,
  });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
  return body;
}

class Vote extends BundleTool {
  name = 'vote';
  provider = provider;
  estimate() {
    return { tokens: 10 };
  }
  replicate(request, { index }, context) {
    return ask('vote', request, context, index);
  }
}

const model = defineTool({
  name: 'model',
  provider,
  execute: (request, _options, context) => ask('model', request, context),
});

const troupe = new Troupe({ tools: [model, new Vote()], ...options });
const endpoint = restateEndpoint(troupe, served);
await endpoint.listen(port);
process.send?.('ready');
