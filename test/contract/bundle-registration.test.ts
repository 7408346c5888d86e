import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  InvalidOptionsError,
  ReliableOrchestrator,
  ToolRegistrationError,
  type BundleOptions,
  type EvidenceBundle,
} from '../../src/index.js';
import { createSimulation, scriptedBundle } from '../../src/testing/index.js';
import { answers, quiet, rejectionOf } from './bundle-fixtures.js';

const sim = createSimulation({ logger: quiet });
const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
let made = 0;
const bundle = (fields: object) => scriptedBundle(`b${++made}`, answers('A'), fields);

class Empty extends BundleTool {
  readonly name = 'empty';
}

class ByHand extends BundleTool {
  readonly name = 'by_hand';
  override defaultOptions: Partial<BundleOptions> = { k: 7 };
  protected override async executeBundle(): Promise<EvidenceBundle> {
    return { replicates: [{ status: 'valid' }], summary: {} } as unknown as EvidenceBundle;
  }
}

describe('registering a bundle tool', () => {
  it('with neither `replicate` nor `executeBundle` is refused, by name', () => {
    const register = () => sim.troupe.registerTool(new Empty());
    expect(register).toThrow(ToolRegistrationError);
    expect(register).toThrow(/empty.*replicate.*executeBundle/);
  });

  it('with `executeBundle` alone is fine', () => {
    expect(() => sim.troupe.registerTool(new ByHand())).not.toThrow();
  });

  it('with wrong `defaultOptions` is refused, naming the option', () => {
    const wrong: [string, object][] = [
      ['k', { k: 0 }],
      ['epsilon', { epsilon: 0.5 }],
      ['stopping', { stopping: 'never' }],
      ['copies', { copies: 3 }],
      ['stopOn', { stopping: 'esc', stopOn: 'fields' }],
      ['seeds', { seeds: ['a'] }],
    ];
    for (const [option, defaultOptions] of wrong) {
      const register = () => sim.troupe.registerTool(bundle({ defaultOptions }));
      expect(register).toThrow(ToolRegistrationError);
      expect(register).toThrow(`defaultOptions.${option}`);
    }
  });

  it('with wrong `defaultOptions` is refused by `new Troupe({ tools })` too', () => {
    const tools = [bundle({ defaultOptions: { k: 0 } })];
    expect(() => createSimulation({ logger: quiet, tools })).toThrow(ToolRegistrationError);
  });

  it('with a default `schemaUri` that holds no schema is refused', () => {
    const defaultOptions = { schemaUri: 'data:application/json,{oops' };
    expect(() => sim.troupe.registerTool(bundle({ defaultOptions }))).toThrow(/schemaUri/);
  });

  it('with an `equivalent`, `shouldStop` or `output` that is none is refused, by name', () => {
    for (const field of ['equivalent', 'shouldStop', 'embed', 'output']) {
      const register = () => sim.troupe.registerTool(bundle({ [field]: 'no function, no schema' }));
      expect(register).toThrow(ToolRegistrationError);
      expect(register).toThrow(field);
    }
  });
});

describe('a bundle tool given as `tool`, not registered,', () => {
  const refused = async (tool: BundleTool<any, any>, toolOptions?: BundleOptions) => {
    const run = orchestrator.start({ tool, request: {}, ...(toolOptions ? { toolOptions } : {}) });
    await sim.runToIdle();
    return rejectionOf<InvalidOptionsError>(run);
  };

  it('is run', async () => {
    const run = orchestrator.start({ tool: bundle({}), request: {} });
    await sim.runToIdle();
    expect((await run.output).status).toBe('completed');
  });

  it('with neither method is refused before it starts', async () => {
    const error = await refused(new Empty());
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('replicate');
  });

  it('with wrong `defaultOptions` is refused before it starts', async () => {
    const tool = bundle({ defaultOptions: { k: 0 } });
    const error = await refused(tool);
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('k');
    expect(tool.calls).toEqual([]);
  });

  it("with defaults that the caller's options contradict is refused before it starts", async () => {
    const tool = bundle({ defaultOptions: { stopping: 'esc' } });
    const error = await refused(tool, { stopOn: 'fields' });
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('stopOn');
    expect(tool.calls).toEqual([]);
  });
});
