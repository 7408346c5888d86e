/** The door `troupe/inspect`. */
export { recorder, type Recorder, type RecorderOptions } from './recorder.js';
export { checkRecording, type Difference, type RecordingCheck } from './check.js';
export { startViewer, type Viewer, type ViewerOptions } from './viewer/server.js';
export { viewerInspector, type ViewerInspectorOptions } from './viewer/link.js';
export { chartDocument, type ChartFormat } from './charts/documents.js';
export {
  statelyInspector,
  type StatelyInspector,
  type StatelyInspectorOptions,
} from './stately/inspector.js';
export type { StatelyInspectionEvent } from './stately/messages.js';
export type { Place, Redact } from './redaction.js';
