// The built package: what a service loads. `npm run build:js` makes it.
export * from '../dist/index.js';
export { recorder, statelyInspector, viewerInspector } from '../dist/inspect.js';
