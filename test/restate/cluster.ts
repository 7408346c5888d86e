import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { RestateServer } from '../../scripts/restate-server.mjs';
// Plain JavaScript, as a newcomer reads it.
import { startBalancer } from '../../examples/restate/balancer.js';

/** A call that reached the tools' server. */
export interface SeenCall {
  readonly tool: string;
  readonly request: any;
  readonly key: string;
  readonly instance: string;
  readonly index: number | null;
  readonly startedAt: number;
  /** Undefined: it was not answered. */
  answeredAt: number | undefined;
  /** The caller hung up before the answer. */
  isAborted: boolean;
}

export type Answering = (call: SeenCall) => {
  readonly status?: number;
  readonly body?: unknown;
  readonly afterMs?: number;
};

/** Where all instances' tools ask: it counts what is really called, whoever is killed. */
export class ToolServer {
  readonly calls: SeenCall[] = [];
  answer: Answering = () => ({ body: 'ok' });
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const asked = JSON.parse(Buffer.concat(chunks).toString()) as SeenCall;
        const call: SeenCall = { ...asked, startedAt: Date.now(), answeredAt: undefined, isAborted: false };
        this.calls.push(call);
        const { status = 200, body = {}, afterMs = 0 } = this.answer(call);
        const timer = setTimeout(() => {
          call.answeredAt = Date.now();
          response.writeHead(status, { 'content-type': 'application/json' });
          response.end(JSON.stringify(body));
        }, afterMs);
        response.on('close', () => {
          clearTimeout(timer);
          call.isAborted = call.answeredAt === undefined;
        });
      });
    });
  }

  static async start(): Promise<ToolServer> {
    const tools = new ToolServer();
    tools.server.listen(0, '127.0.0.1');
    await once(tools.server, 'listening');
    return tools;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A process that serves a Troupe. */
export class Instance {
  private child: ChildProcess | undefined;

  constructor(
    readonly name: string,
    readonly port: number,
    private readonly tools: ToolServer,
    private readonly troupe: object,
  ) {}

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** @param dist the built package; default: this one's. */
  async start(dist = path.join(import.meta.dirname, '../../dist')): Promise<void> {
    const { name, port, tools, troupe } = this;
    const child = fork(path.join(import.meta.dirname, 'instance.mjs'), {
      env: {
        PATH: process.env['PATH'],
        INSTANCE: JSON.stringify({ dist, name, port, tools: tools.url, troupe }),
      },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.child = child;
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`Instance ${name} ended with ${code} before it was ready.`);
      }),
    ]);
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}

/** Instances behind one address, registered with a server. */
export class Cluster {
  private constructor(
    readonly tools: ToolServer,
    readonly instances: readonly Instance[],
    private readonly balancer: Awaited<ReturnType<typeof startBalancer>>,
    private readonly troupe: object,
  ) {}

  /** Another instance, by itself. */
  async add(name: string, dist: string): Promise<Instance> {
    const [port] = await freePorts(1);
    const instance = new Instance(name, port!, this.tools, this.troupe);
    await instance.start(dist);
    return instance;
  }

  /** @param troupe options of each instance's Troupe, as JSON. */
  static async start(server: RestateServer, count: number, troupe: object = {}): Promise<Cluster> {
    const tools = await ToolServer.start();
    const ports = await freePorts(count);
    const instances = ports.map((port, index) => new Instance(`i${index + 1}`, port, tools, troupe));
    await Promise.all(instances.map((instance) => instance.start()));
    const balancer = await startBalancer(instances.map(({ address }) => address));
    await server.register(`http://127.0.0.1:${balancer.port}`);
    return new Cluster(tools, instances, balancer, troupe);
  }

  async stop(): Promise<void> {
    this.balancer.close();
    await Promise.all(this.instances.map((instance) => instance.kill()));
    this.tools.close();
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
