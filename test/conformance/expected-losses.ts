import type { ExpectedLoss } from '../../scripts/conformance/servers.ts';

/**
 * Checks that are lost where the caller is of one era and the server of the other. Where the server speaks the caller's era nothing may be
 * lost, and there is no list.
 */

const withoutTasks: readonly ExpectedLoss[] = (
  [
    ['tasks-lifecycle', 'A server with sessions has no such tasks to begin, ask after or cancel.'],
    [
      'tasks-capability-negotiation',
      'The extension is not among the server’s capabilities, so it is not announced for it.',
    ],
    ['tasks-wire-fields', 'No task is begun whose fields could be looked at.'],
    ['tasks-request-state-removal', 'No task is begun that could carry a requestState.'],
    ['tasks-mrtr-input', 'No task is begun that could ask for input.'],
    ['tasks-request-headers', 'Without tasks/get among the methods of this server, nobody looks at its headers.'],
    [
      'tasks-dispatch-and-envelope',
      'The methods of tasks are no methods of this server, and a "task" it would take for its own kind of task is refused.',
    ],
    ['tasks-mrtr-composition', 'The tool needs tasks and says so.'],
  ] as const
).map(([scenario, reason]) => ({ revision: '2026-07-28', scenario, reason }));

export const expectedLosses: readonly ExpectedLoss[] = [
  ...withoutTasks,
  {
    revision: '2026-07-28',
    scenario: 'input-required-result-basic-elicitation',
    reason:
      'The scenario looks for the key the tool itself gave its question. A question asked in a session has no key, so the one in inputRequests is Gatehouse’s own.',
  },
  {
    revision: '2026-07-28',
    scenario: 'input-required-result-ignore-extra-params',
    checks: ['sep-2322-ignore-unexpected-params'],
    reason:
      'Gatehouse refuses answers to a question that nobody asked; the specification would rather have them ignored.',
  },
  {
    revision: '2026-07-28',
    scenario: 'input-required-result-missing-input-response',
    checks: ['sep-2322-missing-response-rerequests'],
    reason:
      'The same: the scenario answers under a key that was never given out, with no requestState to say which question it means.',
  },
  {
    revision: '2026-07-28',
    scenario: 'server-stateless',
    checks: ['sep-2575-server-rejects-undeclared-capability', 'sep-2575-missing-capability-http-400'],
    reason:
      'A server with sessions has no error for a capability the caller lacks; it says so in the result of the tool, and that is passed on.',
  },
  {
    revision: '2025-11-25',
    scenario: 'server-sse-polling',
    reason:
      'The tool closes its own event stream, which a server of 2026-07-28 cannot. What is left is an answer after a tenth of a second, and that comes as one JSON body, with no event to resume from.',
  },
];
