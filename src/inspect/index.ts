/** The door `troupe/inspect`. */
export { recorder, type Recorder, type RecorderOptions } from './recorder.js';
export { startViewer, type Viewer, type ViewerOptions } from './viewer/server.js';
export { viewerInspector, type ViewerInspectorOptions } from './viewer/link.js';
export type { Place, Redact } from './redaction.js';
