/** `import 'troupe'` in the example: as `npm install` would link it. */
export function linkTroupe(): void;
