// Fault: it ends the process by a signal, which no handler of Node's can stop.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'kills_itself',
  execute() {
    process.kill(process.pid, 'SIGKILL');
    return 'done';
  },
});
