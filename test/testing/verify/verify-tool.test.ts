import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BundleTool, defineTool, toolResult, type AnyTool, type ToolContext } from '../../../src/index.js';
import { verifyTool, type Finding, type VerifyOptions } from '../../../src/testing/index.js';

// The tools do real I/O and are watched on real time, so these tests take some of it: a few tenths of a second each.

const SHORT: VerifyOptions = { timeoutMs: 500, graceMs: 100, crowd: 10, request: { query: 'hi' } };

/** What a check found, as "verdict: what happened". */
async function found(tool: AnyTool, check: string, options: VerifyOptions = {}): Promise<string[]> {
  const report = await verifyTool(tool, { ...SHORT, checks: [check], ...options });
  expect(report.ok).toBe(report.counts.broken === 0);
  return report.findings.map(({ verdict, happened }) => `${verdict}: ${happened}`);
}

const tool = (execute: (request: any, options: any, context: ToolContext) => unknown, fields: object = {}) =>
  defineTool({ name: 'tool', execute, ...fields } as never) as unknown as AnyTool;

describe('verifyTool', () => {
  it('makes all checks but those of a provider, in order, and gives plain JSON', async () => {
    const begun: string[] = [];
    const told: Finding[] = [];
    const report = await verifyTool(
      tool(({ query }) => toolResult({ content: { query }, usage: { totalTokens: 1, costUsd: 0 } }), {
        estimate: () => ({ tokens: 1 }),
      }),
      { ...SHORT, onCheck: (id) => begun.push(id), onFinding: (finding) => told.push(finding) },
    );
    expect(report).toMatchObject({ tool: 'tool', ok: true, counts: { broken: 0, warning: 0 } });
    expect(begun).toEqual([...new Set(report.findings.map(({ check }) => check))]);
    expect(begun).not.toContain('provider-429');
    expect(told).toEqual(report.findings);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it.each([
    [{ nope: 1 }, 'Unknown option `options.nope`'],
    [{ timeoutMs: 0 }, '`options.timeoutMs` is not valid'],
    [{ checks: ['nope'] }, '`options.checks.0` is not valid'],
    [{ modelServer: 'yes' }, 'must be true, false, or a ModelServer'],
    [{ request: () => 1 }, '`options.request` must be JSON'],
  ])('refuses %j', async (options, message) => {
    const refused = verifyTool(
      tool(() => 1),
      options as VerifyOptions,
    );
    await expect(refused).rejects.toMatchObject({ name: 'InvalidOptionsError' });
    await expect(refused).rejects.toThrow(message);
  });

  it('refuses what is no tool', async () => {
    await expect(verifyTool({ name: 'x' } as never)).rejects.toThrow('takes a Tool');
  });

  it('puts the process back as it was', async () => {
    const before = {
      exit: process.exit,
      fetch: globalThis.fetch,
      listeners: process.listeners('unhandledRejection'),
    };
    await verifyTool(
      tool(() => 1),
      { ...SHORT, checks: ['answer'], modelServer: true },
    );
    expect({
      exit: process.exit,
      fetch: globalThis.fetch,
      listeners: process.listeners('unhandledRejection'),
    }).toEqual(before);
  });

  it('leaves `this`, private fields and getters of a tool as they are', async () => {
    class Private {
      readonly #name = 'private';
      get name() {
        return this.#name;
      }
      execute() {
        return this.#name;
      }
    }
    const given = Object.freeze(Object.setPrototypeOf(new Private(), Private.prototype) as Private);
    Object.setPrototypeOf(Private.prototype, Object.getPrototypeOf(tool(() => 1)) as object);
    const report = await verifyTool(given as unknown as AnyTool, { ...SHORT, checks: ['answer'] });
    expect(report.findings[0]!.happened).toMatch(/: "private"$/);
  });
});

describe('checks of the answer', () => {
  it.each([
    ['undefined', () => undefined, 'warning: it returned undefined'],
    ['an instance', () => new (class Reply { text = 'x'; })(), 'warning: it returned an instance of Reply'], // prettier-ignore
  ])('%s gets lost on the way', async (_name, execute, expected) => {
    expect((await found(tool(execute), 'answer'))[1]).toBe(expected);
  });

  it('a bundle none of whose replicates is valid says why', async () => {
    class Failing extends BundleTool {
      readonly name = 'failing';
      override replicate(): string {
        throw new Error('no seeds left');
      }
    }
    expect(await found(new Failing(), 'answer')).toEqual(['broken: it failed: r1: no seeds left']);
  });

  it('usage that was charged counts, and what fails to say anything is skipped', async () => {
    const charges = tool(
      (_request, _options, { budget }) => (budget.charge({ totalTokens: 70, costUsd: 0.1 }), 'x'),
      { estimate: () => ({ tokens: 50 }) },
    );
    expect(await found(charges, 'usage')).toEqual([
      'broken: a call used 70 tokens, $0.1, with an estimate of 50 tokens',
    ]);
    const failing = tool(() => Promise.reject(new Error('no')));
    expect(await found(failing, 'usage')).toEqual(['skipped: the tool does not answer the request']);
  });
});

describe('checks of stopping', () => {
  it('a tool that obeys its signal', async () => {
    const good = tool((_request, _options, { signal }) => sleep(60, 'done', { signal }));
    for (const check of ['abort-before', 'abort-during', 'deadline']) {
      expect((await found(good, check)).join()).toMatch(/^kept/);
    }
  });

  it('one that asks on after the abort', async () => {
    const stubborn = tool(async (_request, _options, { signal }) => {
      for (let page = 0; page < 3; page++) {
        const response = await fetch('https://pages.example/', signal.aborted ? {} : { signal }).catch(
          () => undefined,
        );
        await response?.text();
        await sleep(30);
      }
      signal.throwIfAborted();
      return 'done';
    });
    expect((await found(stubborn, 'abort-during', { modelServer: true }))[0]).toMatch(
      /^broken: it made another HTTP request after that: GET http/,
    );
  });

  it('a slow clean-up within the grace is a warning', async () => {
    const slow = tool(async (_request, _options, { signal }) => {
      try {
        return await sleep(60, 'done', { signal });
      } catch (error) {
        await sleep(300);
        throw error;
      }
    });
    expect((await found(slow, 'deadline', { graceMs: 1000 }))[0]).toMatch(
      /^warning: it stopped after 3\d\d ms/,
    );
  });
});

describe('checks of sharing', () => {
  it('answers that follow from their request, and do not name it, are compared as a whole', async () => {
    let last = 0;
    const mixes = tool(async ({ n }: { n: number }) => {
      last = n;
      await sleep(5);
      return { double: 2 * last };
    });
    expect((await found(mixes, 'crowd', { request: { n: 1 } }))[0]).toMatch(
      /^broken: the request \{"n":\d\} was answered with \{"double":\d+\}$/,
    );
  });

  it('answers mix also where nothing is waited for but promises', async () => {
    let current: unknown;
    const mixes = tool(async ({ query }) => {
      current = query;
      await Promise.resolve();
      await Promise.resolve();
      return current;
    });
    expect((await found(mixes, 'crowd'))[0]).toMatch(/^broken: the request .* was answered with/);
  });

  it('a provider that cannot take so many at once is a warning', async () => {
    let busy = 0;
    const limited = tool(async ({ query }) => {
      try {
        if (++busy > 3) throw Object.assign(new Error('slow down'), { status: 429 });
        await sleep(50);
        return query;
      } finally {
        busy -= 1;
      }
    });
    expect((await found(limited, 'crowd'))[0]).toMatch(/^warning: 7 of 10 failed: slow down$/);
  });
});

describe('checks of the aftermath', () => {
  it('what is opened once and kept is a warning, what is opened each time is broken', async () => {
    let shared: NodeJS.Timeout | undefined;
    const once = tool(() => {
      shared ??= setInterval(() => {}, 1000);
      return 'done';
    });
    try {
      expect((await found(once, 'aftermath'))[0]).toMatch(
        /^warning: an early call leaves behind a timer \(made at verify-tool\.test\.ts:\d+\)/,
      );
    } finally {
      clearInterval(shared);
    }
    const timers: NodeJS.Timeout[] = [];
    const always = tool(() => timers.push(setTimeout(() => {}, 5000)));
    try {
      expect((await found(always, 'aftermath'))[0]).toMatch(/^broken: each call leaves behind a timer/);
    } finally {
      for (const timer of timers) clearTimeout(timer);
    }
  });

  it('a rejection nobody handles is told once, and does not reach whoever verifies', async () => {
    const careless = tool(() => (void sleep(10).then(() => Promise.reject(new Error('late'))), 'done'));
    const report = await verifyTool(careless, { ...SHORT, checks: ['answer', 'events', 'aftermath'] });
    const told = report.findings.filter(({ verdict }) => verdict === 'broken');
    expect(told).toMatchObject([{ check: 'aftermath', happened: expect.stringContaining('Error: late') }]);
  });
});

describe('checks of the provider', () => {
  const asking = (read: (response: Response) => unknown, init: RequestInit = {}) =>
    tool(async ({ query }, _options, { signal }) => {
      const body = JSON.stringify({ messages: [{ role: 'user', content: query }] });
      return read(
        await fetch('https://api.example/v1/chat/completions', { method: 'POST', body, signal, ...init }),
      );
    });

  it('a 429 without its Retry-After is a warning', async () => {
    const forgetful = asking((response) => {
      if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status });
      return response.json();
    });
    expect(await found(forgetful, 'provider-429', { modelServer: true })).toEqual([
      'warning: it threw Error: refused, without the Retry-After',
    ]);
    expect((await found(forgetful, 'provider-500', { modelServer: true }))[0]).toMatch(/^kept/);
    expect((await found(forgetful, 'provider-401', { modelServer: true }))[0]).toMatch(/^kept/);
  });

  it('a TypeError for nonsense is a warning', async () => {
    const careless = asking(
      async (response) => ((await response.json()) as { choices: { message: object }[] }).choices[0]!.message,
    );
    expect((await found(careless, 'provider-nonsense', { modelServer: true }))[1]).toMatch(
      /^warning: it threw TypeError/,
    );
  });

  it('without a model server, or without HTTP calls, they are skipped', async () => {
    expect(
      (
        await found(
          tool(() => 1),
          'provider-429',
        )
      )[0],
    ).toMatch(/^skipped: there is no model server/);
    expect(
      (
        await found(
          tool(() => 1),
          'provider-429',
          { modelServer: true },
        )
      )[0],
    ).toMatch(/^skipped: the tool makes no HTTP calls/);
  });
});
