// Fault: it ends the process when it does not like what it is asked.
import { defineTool } from 'troupe';

export default defineTool({
  name: 'exits',
  execute({ key }) {
    if (key === undefined) process.exit(3);
    return 'done';
  },
});
