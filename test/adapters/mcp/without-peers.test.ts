import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../../..');

/** Runs a script against the built package where one of MCP's packages is not installed. */
function without(peer: string, script: string): string {
  const hook = `
    export async function resolve(specifier, context, next) {
      if (specifier.startsWith(${JSON.stringify(peer)})) {
        throw Object.assign(new Error('Cannot find package ' + specifier), { code: 'ERR_MODULE_NOT_FOUND' });
      }
      return next(specifier, context);
    }`;
  const code = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    const { connectMcp, mcpHandler, serveMcpStdio } = await import('./dist/mcp.js');
    const { defineTool, Troupe } = await import('./dist/index.js');
    const tools = [defineTool({ name: 't', execute: () => 'x' })];
    const transport = () => { throw new Error('asked for a transport'); };
    const told = (promise) => promise.then(() => console.log('made'), (e) => console.log(e.name + ': ' + e.message));
    ${script}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    timeout: 15_000,
  });
  return stdout + stderr;
}

describe('each side needs only its own package', () => {
  it('the server package to be called', () => {
    const said = without(
      '@modelcontextprotocol/client',
      `await told(connectMcp({ name: 'x', transport }));
       await told(mcpHandler(new Troupe(), { tools, authorize: () => true }));`,
    );
    expect(said).toBe(
      'InvalidOptionsError: connectMcp() needs one package more, and could not load it: ' +
        'npm install @modelcontextprotocol/client\nmade\n',
    );
  });

  it('the client package to call', () => {
    const said = without(
      '@modelcontextprotocol/server',
      `await told(mcpHandler(new Troupe(), { tools, authorize: () => true }));
       await told(serveMcpStdio(new Troupe(), { tools }));
       await told(connectMcp({ name: 'x', transport }));`,
    );
    expect(said).toMatch(
      /^InvalidOptionsError: mcpHandler\(\) needs .*server\nInvalidOptionsError: serveMcpStdio\(\) needs .*server\nMcpError: .*asked for a transport\n$/,
    );
  });
});
