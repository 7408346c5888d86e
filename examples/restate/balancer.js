// Stands for the balancer of a real cluster (Envoy, a Kubernetes service mesh): spreads HTTP/2 requests over instances.
import http2 from 'node:http2';

const {
  HTTP2_HEADER_AUTHORITY,
  HTTP2_HEADER_CONNECTION,
  HTTP2_HEADER_STATUS,
  NGHTTP2_CANCEL,
  NGHTTP2_INTERNAL_ERROR,
} = http2.constants;

/**
 * @param {readonly string[]} instances their addresses, as `http://127.0.0.1:9081`.
 * @returns {Promise<{ port: number, taken: Map<string, number>, close(): void }>} `taken` counts the requests of each.
 */
export async function startBalancer(instances, port = 0) {
  const sessions = new Map();
  const clients = new Set();
  const taken = new Map(instances.map((instance) => [instance, 0]));
  /** Instances that could not be reached, and until when they are passed over. */
  const passedOver = new Map();
  let turn = 0;

  const nextInstance = () => {
    for (let tried = 0; tried < instances.length; tried++) {
      const instance = instances[turn++ % instances.length];
      if ((passedOver.get(instance) ?? 0) <= Date.now()) return instance;
    }
    return instances[turn++ % instances.length];
  };

  const sessionOf = (instance) => {
    const known = sessions.get(instance);
    if (known && !known.closed && !known.destroyed) return known;
    const session = http2.connect(instance);
    session.on('error', () => {
      passedOver.set(instance, Date.now() + 1000);
      session.destroy();
    });
    session.on('close', () => sessions.delete(instance));
    sessions.set(instance, session);
    return session;
  };

  const server = http2.createServer();
  server.on('session', (session) => {
    clients.add(session);
    session.on('close', () => clients.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('stream', (stream, headers) => {
    const instance = nextInstance();
    taken.set(instance, taken.get(instance) + 1);
    const { [HTTP2_HEADER_AUTHORITY]: _, [HTTP2_HEADER_CONNECTION]: _connection, ...rest } = headers;
    const onward = sessionOf(instance).request(rest);
    // A stream that breaks on one side breaks on the other: Restate then carries on elsewhere.
    const fail = () => {
      if (!stream.destroyed) stream.close(NGHTTP2_INTERNAL_ERROR);
    };
    onward.on('response', ({ [HTTP2_HEADER_STATUS]: status, ...answer }) => {
      if (!stream.destroyed) stream.respond({ [HTTP2_HEADER_STATUS]: status, ...answer });
    });
    onward.on('error', fail);
    onward.on('aborted', fail);
    stream.on('error', () => onward.close(NGHTTP2_CANCEL));
    stream.on('aborted', () => onward.close(NGHTTP2_CANCEL));
    stream.pipe(onward);
    onward.pipe(stream);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    taken,
    close() {
      server.close();
      for (const session of [...clients, ...sessions.values()]) session.destroy();
    },
  };
}
