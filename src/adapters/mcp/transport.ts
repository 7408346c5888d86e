/**
 * A transport of `@modelcontextprotocol/client` or `@modelcontextprotocol/server`: `StdioClientTransport`,
 * `StreamableHTTPClientTransport`, `InMemoryTransport`, ... Its shape only, so that the types of this door need neither.
 */
export interface McpTransport {
  start(): Promise<void>;
  send(message: any, options?: any): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: any, extra?: any) => void) | undefined;
  sessionId?: string | undefined;
  terminateSession?(): Promise<void>;
  /** True of HTTP: every request has a connection, and an answer, of its own. */
  readonly hasPerRequestStream?: boolean;
}

type Token = (token: string) => void;

/**
 * Over HTTP the answer to a call may break off while the "connection" lives on. The transport tells that only to who
 * sends by itself, and the client does not; so the call's own `onresumptiontoken` serves to find the call again.
 */
export class StreamWatch {
  private readonly lost = new WeakMap<Token, () => void>();

  constructor(transport: McpTransport) {
    if (transport.hasPerRequestStream !== true) return;
    const send = transport.send.bind(transport);
    transport.send = (message, options?: { onresumptiontoken?: Token }) => {
      const onRequestStreamEnd = options?.onresumptiontoken && this.lost.get(options.onresumptiontoken);
      return send(message, onRequestStreamEnd ? { ...options, onRequestStreamEnd } : options);
    };
  }

  /** What to pass with a request, so that `onLost` is called when the stream of its answer ends. */
  watch(onLost: () => void): { onresumptiontoken: Token } {
    const onresumptiontoken: Token = () => {};
    this.lost.set(onresumptiontoken, onLost);
    return { onresumptiontoken };
  }
}
