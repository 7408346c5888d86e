/** The door `troupe/inspect`. */
export { recorder, type Recorder, type RecorderOptions } from './recorder.js';
