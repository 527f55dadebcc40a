import { runAdmin } from './program.ts';

// Not process.exit: output that is still on its way to a pipe would be cut.
process.exitCode = await runAdmin(process.argv.slice(2));
