import type { Group } from './targets.mjs';

export function barChart(group: Group): string;
