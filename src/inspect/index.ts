/** The door `troupe/inspect`. */
export { recorder, type Recorder, type RecorderOptions } from './recorder.js';
export { statelyInspector, type StatelyInspector, type StatelyInspectorOptions } from './stately.js';
export type { StatelyInspectionEvent } from './stately-messages.js';
