import { describe, expectTypeOf, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  orThrow,
  ReliableOrchestrator,
  toolResult,
  Troupe,
  type BundleContent,
  type BundleOptions,
  type ContentOf,
  type EvidenceBundle,
  type JsonValue,
  type OptionsOf,
  type OrchestrationOutput,
  type ReplicateDraw,
  type RequestOf,
  type ToolContext,
} from '../../src/index.js';

type Invoice = { total: number; currency: string };

class ReadInvoice extends BundleTool<{ text: string }, Invoice> {
  readonly name = 'read-invoice';
  override async replicate(
    request: { text: string },
    { seed, index, id }: ReplicateDraw,
    context: ToolContext,
  ) {
    expectTypeOf(seed).toEqualTypeOf<number>();
    expectTypeOf([index, id] as const).toEqualTypeOf<readonly [number, string]>();
    expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
    return toolResult({ content: { total: request.text.length, currency: 'EUR' } });
  }
  override equivalent(a: Invoice, b: Invoice) {
    return a.total === b.total;
  }
}

class Bare extends BundleTool {
  readonly name = 'bare';
  override replicate(request: JsonValue) {
    return request;
  }
}

class Own extends BundleTool<string, number> {
  readonly name = 'own';
  protected override executeBundle(
    request: string,
    options: BundleOptions,
    _context: ToolContext,
  ): Promise<EvidenceBundle<number>> {
    expectTypeOf(request).toEqualTypeOf<string>();
    expectTypeOf(options.k).toEqualTypeOf<number | undefined>();
    throw new Error('not called');
  }
}

const invoice = new ReadInvoice();
const troupe = new Troupe({ tools: [invoice] });

describe('a bundle tool', () => {
  it('declares its request, its options and the evidence it gives', () => {
    expectTypeOf<RequestOf<ReadInvoice>>().toEqualTypeOf<{ text: string }>();
    expectTypeOf<OptionsOf<ReadInvoice>>().toEqualTypeOf<BundleOptions>();
    expectTypeOf<ContentOf<ReadInvoice>>().toEqualTypeOf<BundleContent<Invoice>>();
    expectTypeOf<ContentOf<Bare>>().toEqualTypeOf<BundleContent>();
    expectTypeOf<ContentOf<Own>>().toEqualTypeOf<BundleContent<number>>();
  });

  it('carries the type of its answers through a run', async () => {
    const output = await new Orchestrator(troupe).run({ tool: invoice, request: { text: 'x' } });
    expectTypeOf(output).toEqualTypeOf<OrchestrationOutput<BundleContent<Invoice>>>();
    const { summary } = orThrow(output).evidenceBundle;
    expectTypeOf(summary.leader).toEqualTypeOf<Invoice | null>();
    expectTypeOf(summary.consensus).toEqualTypeOf<JsonValue>();
    expectTypeOf(summary.confidence).toEqualTypeOf<number | null>();
  });

  it('takes bundle options, by tool and by name', () => {
    const orchestrator = new ReliableOrchestrator({ troupe });
    void orchestrator.run({ tool: invoice, request: { text: 'x' }, toolOptions: { k: 5, stopping: 'esc' } });
    void orchestrator.run({
      toolName: 'read-invoice',
      request: { text: 'x' },
      toolOptions: { epsilon: 0.05 },
    });
    // @ts-expect-error there is no such rule
    void orchestrator.run({ tool: invoice, request: { text: 'x' }, toolOptions: { stopping: 'sprt' } });
    // @ts-expect-error the request has a text
    void orchestrator.run({ tool: invoice, request: { words: 'x' } });
  });

  it('must answer with what it declares', () => {
    class Wrong extends BundleTool<string, number> {
      readonly name = 'wrong';
      // @ts-expect-error answers are numbers
      override replicate() {
        return 'five';
      }
    }
    void Wrong;
  });
});
