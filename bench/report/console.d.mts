import type { Group } from './targets.mjs';

export function printGroup(group: Group): void;
