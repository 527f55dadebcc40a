/** What tray, windows and notifications say outside a page. English; one file per language. */
export const words = {
  product: 'Gatehouse',
  approvalTitle: 'Gatehouse asks',
  /** The sentence of a question. Never its arguments. */
  wantsTo: {
    tool: (app: string, tool: string, toolSet: string) => `${app} wants to use “${tool}” in ${toolSet}.`,
    prompt: (app: string, tool: string, toolSet: string) => `${app} wants to use the prompt “${tool}” of ${toolSet}.`,
    resource: (app: string, tool: string, toolSet: string) => `${app} wants to read from ${toolSet}: ${tool}.`,
  },
  asksTitle: 'Your answer is needed',
  asksBody: (sentence: string) => `${sentence} Nothing happens until you answer.`,
  stillHere: {
    title: 'Gatehouse keeps running',
    body: 'Its window is closed; your tools still work. Find it in the tray, or start Gatehouse again to see the window.',
  },
  state: {
    'not-enrolled': 'No organisation yet',
    calm: 'All quiet',
    asking: 'Waiting for your answer',
    paused: 'Paused: every call is refused',
    problem: 'Something needs attention',
  },
  menu: {
    noOrganisation: 'Set up Gatehouse…',
    noPolicy: 'no policy in force',
    policy: (version: number) => `policy ${version}`,
    checked: (age: string) => `checked ${age}`,
    noTools: 'No tools approved yet',
    waiting: (count: number) => `Waiting for you (${count})`,
    apps: 'Apps connected',
    noApps: 'No app is connected',
    pauseAll: 'Pause all',
    pause15: 'For 15 minutes',
    pause60: 'For 1 hour',
    pauseOpen: 'Until I resume',
    resume: 'Resume',
    pausedUntil: (time: string) => `Paused until ${time}`,
    pausedOpen: 'Paused until you resume',
    open: 'Open Gatehouse',
    activity: 'Activity',
    quit: 'Quit',
  },
  notDone: 'That did not work',
  startFailed: 'Gatehouse cannot start',
  nextSteps: {
    'port-in-use':
      'Another program uses this port, perhaps a second Gatehouse of another user. Quit that program and start Gatehouse again, or choose another port with --port N and connect your AI apps anew.',
    'not-permitted': 'Choose a port above 1023 with --port N, or ask your IT department.',
    unwritable: 'Free the folder, or choose another one with --data DIR.',
    audit:
      'Without its record Gatehouse lets no call through. Keep the file and ask your IT department; they can verify it with gatehouse-admin audit verify.',
    enrolment: 'Ask your IT department for a new enrolment file, then start Gatehouse again.',
    other: 'Start Gatehouse again. If that does not help, send the log file to your IT department.',
  },
  age: {
    now: 'just now',
    minutes: (count: number) => `${count} min ago`,
    hours: (count: number) => `${count} h ago`,
    days: (count: number) => (count === 1 ? 'yesterday' : `${count} days ago`),
  },
} as const;
