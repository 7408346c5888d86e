import { afterEach, describe, expect, it, vi } from 'vitest';
import { barChart } from '../../bench/report/chart.mjs';
import { printGroup } from '../../bench/report/console.mjs';
import { benchPage } from '../../bench/report/page.mjs';
import { targetsOf, type Group, type Row } from '../../bench/report/targets.mjs';

const row = (name: string, median: number, id?: string): Row => ({
  name,
  ...(id ? { id } : {}),
  does: `What ${name} does.`,
  us: { low: median * 0.9, median, high: median * 1.2 },
  ratio: median / 60,
});

const group: Group = {
  title: 'One run',
  unit: 'run',
  base: 'Effect',
  rows: [row('Troupe, full', 30, 'full'), row('Effect', 60, 'effect')],
  hooked: [row('Troupe, full', 150, 'full'), row('LangGraph.js', 2000, 'langgraph')],
};

afterEach(() => vi.restoreAllMocks());

describe('targetsOf', () => {
  const of = (what: RegExp) => targetsOf([group]).find((target) => what.test(target.what));

  it('compares rows of the process the peer was measured in', () => {
    expect(of(/to Effect$/)).toMatchObject({ ratio: 0.5, atMost: 1.5, isMet: true });
    expect(of(/LangGraph.js with one node/)).toMatchObject({ ratio: 0.075, atMost: 0.05, isMet: false });
  });

  it('judges the aim by itself, and says nothing of what was not measured', () => {
    expect(of(/the aim/)).toMatchObject({ atMost: 0.44, isMet: false });
    expect(of(/bundle/)).toBeUndefined();
  });
});

describe('what is told of a group', () => {
  it('on the console: every row, with what it does', () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    printGroup(group);
    const lines = log.mock.calls.map(([line]) => String(line));
    expect(lines[0]).toContain('ratio to Effect');
    expect(lines[1]).toMatch(/Troupe, full +30\.0 +27\.0–36\.0 +0\.50 +What Troupe, full does\./);
    expect(lines).toHaveLength(3);
  });

  it('on the page: targets, missed by how much, and both tables', () => {
    const machine = {
      date: '2026-01-01',
      commit: 'abc',
      cpu: 'A',
      cores: 2,
      memoryGb: 8,
      node: 'v20',
      v8: '11',
    };
    const results = { machine: { ...machine, versions: {} }, isQuick: false, groups: [group] };
    const page = benchPage({ ...results, targets: targetsOf([group]) }, []);
    expect(page).toContain('| 0.050 | 0.075 | missed by 1.50× |');
    expect(page).toContain('| Effect | 60.0 | 54.0–72.0 | 1.00 | What Effect does. |');
    expect(page).toContain('| LangGraph.js | 2,000 |');
  });

  it('in the chart: a bar for each, names escaped', () => {
    const svg = barChart({ ...group, rows: [row('Troupe', 30), row('a <b> & c', 60)] });
    expect(svg.match(/<rect /g)).toHaveLength(2);
    expect(svg).toContain('a &lt;b> &amp; c');
    expect(svg).toContain('class="ours"');
  });
});
