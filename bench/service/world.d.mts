/** `import 'troupe'` in an example (default: examples/service): as `npm install` would link it. */
export function linkTroupe(folder?: string): void;
