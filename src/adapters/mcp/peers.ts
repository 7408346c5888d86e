import { InvalidOptionsError } from '../../index.js';

/** The peers are loaded where they are used, so that who only imports needs no server, and the other way round. */
async function load<T>(peer: string, importing: () => Promise<T>, used: string): Promise<T> {
  try {
    return await importing();
  } catch (cause) {
    throw new InvalidOptionsError(
      `${used}() needs one package more, and could not load it: npm install ${peer}`,
      { cause },
    );
  }
}

export function loadClient() {
  return load(
    '@modelcontextprotocol/client',
    async () => {
      const [{ Client, fromJsonSchema }, { AjvJsonSchemaValidator }] = await Promise.all([
        import('@modelcontextprotocol/client'),
        import('@modelcontextprotocol/client/validators/ajv'),
      ]);
      return { Client, fromJsonSchema, AjvJsonSchemaValidator };
    },
    'connectMcp',
  );
}

export type ClientPeer = Awaited<ReturnType<typeof loadClient>>;

export function loadServer(used: string) {
  return load('@modelcontextprotocol/server', () => import('@modelcontextprotocol/server'), used);
}

export type ServerPeer = Awaited<ReturnType<typeof loadServer>>;

export function loadStdioServer() {
  return load(
    '@modelcontextprotocol/server',
    () => import('@modelcontextprotocol/server/stdio'),
    'serveMcpStdio',
  );
}
