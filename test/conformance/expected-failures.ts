import type { ExpectedFailure } from '../../scripts/conformance/clients.ts';

/** Client scenarios that Gatehouse fails today, one by one. A failure that is not here fails the run, and so does a pass of one that is. */
export const expectedFailures: readonly ExpectedFailure[] = [];
