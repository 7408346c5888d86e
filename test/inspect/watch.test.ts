import { describe, expect, it, vi } from 'vitest';
import {
  Budget,
  defineTool,
  InvalidOptionsError,
  ReliableOrchestrator,
  Troupe,
  type ActorSubject,
  type Inspector,
  type TroupeNews,
} from '../../src/index.js';

const add = defineTool({ name: 'add', execute: ({ a }: { a: number }) => a });
const logger = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() });

describe('the option `inspect`', () => {
  it('takes a list: each sees the same, and one that throws harms nobody', async () => {
    const log = logger();
    const seen: [string[], string[]] = [[], []];
    const inspectors: Inspector[] = [
      (event) => void seen[0].push(event.type),
      {
        next: () => {
          throw new Error('no');
        },
        tell: () => {
          throw new Error('no');
        },
        ignores: () => {
          throw new Error('no');
        },
      },
      { next: (event: { type: string }) => void seen[1].push(event.type) },
    ];
    const troupe = new Troupe({ inspect: inspectors, logger: log });
    const { content } = await new ReliableOrchestrator({ troupe }).run({ tool: add, request: { a: 1 } });
    expect(content).toBe(1);
    expect(seen[0].length).toBeGreaterThan(10);
    expect(seen[1]).toEqual(seen[0]);
    // Once for each of its functions.
    expect(log.warn.mock.calls.map(([message]) => message as string)).toEqual([
      'The inspector threw; its errors are ignored from now on.',
      'The inspector threw; its errors are ignored from now on.',
    ]);
  });

  it.each([[null], ['yes'], [[null]], [[() => {}, {}]]])('refuses %j', (inspect) => {
    expect(() => new Troupe({ inspect } as never)).toThrow(InvalidOptionsError);
  });

  it('says what each actor is, and tells of runs', async () => {
    const subjects = new Map<string, ActorSubject>();
    const news: TroupeNews[] = [];
    const inspect = {
      next: (_: unknown, subject?: ActorSubject) => void subjects.set(subject!.id, subject!),
      tell: (each: TroupeNews) => void news.push(each),
    };
    const troupe = new Troupe({ inspect });
    const orchestrator = new ReliableOrchestrator({ troupe });
    const shared = new Budget({ tokens: 100 });
    const tool = defineTool({ name: 'add', estimate: () => ({ tokens: 1 }), execute: () => 1 });
    const run = orchestrator.start({ tool, request: { a: 1 }, options: { budget: { tokens: 10 } } });
    await run.output;
    await orchestrator.run({ tool, request: { a: 2 }, options: { budget: shared } });
    const described = [...subjects.values()].map(({ kind, name, runId, partOf }) => [
      kind,
      name,
      runId === run.id ? 'this' : runId && 'other',
      partOf === run.id ? 'this' : partOf,
    ]);
    expect(described).toEqual([
      ['run', 'run', 'this', undefined],
      ['breaker', 'breaker add', undefined, undefined],
      ['budget', 'budget', 'this', 'this'],
      ['run', 'run', 'other', undefined],
      ['budget', 'budget 1', undefined, undefined],
    ]);
    await troupe.close();
    expect(news.map(({ type }) => type)).toEqual([
      'run',
      'said',
      'said',
      'said',
      'ended',
      'run',
      'said',
      'said',
      'said',
      'ended',
      'closed',
    ]);
    const { troupe: inspected } = [...subjects.values()][0]!;
    expect(inspected.now()).toBeGreaterThan(1e12);
  });

  it('spares the cost of a run that all of them ignore', async () => {
    const seen = new Set<string>();
    const make = (ignored: boolean) => ({
      next: (_: unknown, subject?: ActorSubject) => void seen.add(`${ignored} ${subject!.kind}`),
      ignores: () => ignored,
    });
    const tool = defineTool({ name: 'add', estimate: () => ({ tokens: 1 }), execute: () => 1 });
    const play = (inspect: Inspector[]) =>
      new ReliableOrchestrator({ troupe: new Troupe({ inspect }) }).run({
        tool,
        request: {},
        options: { budget: { tokens: 10 } },
      });
    await play([make(true), make(true)]);
    expect([...seen].sort()).toEqual(['true breaker']);
    await play([make(true), make(false)]);
    expect([...seen].sort()).toEqual([
      'false breaker',
      'false budget',
      'false run',
      'true breaker',
      'true budget',
      'true run',
    ]);
  });
});
