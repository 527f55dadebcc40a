import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type Person, signIn } from '../demo/person.ts';
import type { Laptop } from './laptop.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

export const APPS = ['Claude', 'Cursor', 'VS Code'] as const;
export type AppName = (typeof APPS)[number];
type Args = Readonly<Record<string, unknown>>;
type Answer = 'allow-once' | 'allow-session' | 'deny';

/** One thing that happens: how long before the end of the day, who, which tool, with what, and the person's answer if asked. */
type Event = readonly [before: number, app: AppName, tool: string, args: Args, answer?: Answer];

const read = (path: string): [string, Args] => ['files__read_text_file', { path }];
const list = (path: string): [string, Args] => ['files__list_directory', { path }];

const MORNING: readonly Event[] = [
  [6.4 * HOUR, 'Claude', ...list('.')],
  [6.39 * HOUR, 'Claude', ...read('plan.md')],
  [6.38 * HOUR, 'Claude', ...read('notes/2026-kickoff.md')],
  [6.1 * HOUR, 'VS Code', 'weather__forecast', { city: 'Oslo' }],
  [5.5 * HOUR, 'Cursor', ...list('budget')],
  [5.49 * HOUR, 'Cursor', ...read('budget/2026-q3.csv')],
  [5.48 * HOUR, 'Cursor', ...read('budget/2026-q4.csv')],
  [5.3 * HOUR, 'Cursor', ...read('contracts/northwind.md')],
  [5.2 * HOUR, 'Claude', 'memory__read_graph', {}],
  [
    4.6 * HOUR,
    'Claude',
    'memory__create_entities',
    { entities: [{ name: 'Northern office', entityType: 'project', observations: ['Opens in March'] }] },
    'allow-session',
  ],
  [
    4.58 * HOUR,
    'Claude',
    'memory__create_entities',
    { entities: [{ name: 'Priya', entityType: 'person', observations: ['Leads the northern office'] }] },
  ],
  [4.5 * HOUR, 'Claude', 'memory__search_nodes', { query: 'office' }],
  [4.4 * HOUR, 'VS Code', 'samples__get-sum', { a: 371_500, b: 366_100 }],
];

const AFTERNOON: readonly Event[] = [
  [2.8 * HOUR, 'Claude', ...list('reports')],
  [2.79 * HOUR, 'Claude', ...read('reports/2026-10.md')],
  [2.78 * HOUR, 'Claude', ...read('budget/2026-q4.csv')],
  [2.6 * HOUR, 'Claude', 'files__search_files', { path: '.', pattern: '*.md' }],
  [1.9 * HOUR, 'Cursor', 'files__write_file', { path: 'budget/2026-q4.csv', content: 'month,revenue\n' }],
  [1.7 * HOUR, 'Cursor', ...read('plan.md')],
  [1.6 * HOUR, 'Cursor', 'files__move_file', { source: 'plan.md', destination: 'notes/plan.md' }, 'deny'],
  [1.2 * HOUR, 'VS Code', 'samples__get-sum', { a: 455_100, b: 231_700 }],
  [0.9 * HOUR, 'VS Code', 'weather__forecast', { city: 'Bergen' }],
  [40 * MINUTE, 'Claude', ...read('budget/2026-q3.csv')],
  [38 * MINUTE, 'Claude', 'files__get_file_info', { path: 'budget/2026-q3.csv' }],
  [
    34 * MINUTE,
    'Claude',
    'files__write_file',
    {
      path: 'reports/2026-q3.md',
      content:
        '# Third quarter\n\nRevenue 1,252,100. Costs 1,117,400.\nSeptember was the best month of the year so far.\n',
    },
    'allow-once',
  ],
  [33 * MINUTE, 'Claude', ...read('reports/2026-q3.md')],
];

const AFTER_THE_CHANGE: readonly Event[] = [
  [12 * MINUTE, 'VS Code', 'weather__forecast', { city: 'Oslo' }],
  [9 * MINUTE, 'Cursor', ...read('budget/2026-q4.csv')],
  [4 * MINUTE, 'Cursor', ...read('contracts/northwind.md')],
  [3 * MINUTE, 'VS Code', 'samples__get-sum', { a: 455_100, b: -381_200 }],
  [2 * MINUTE, 'Claude', ...list('reports')],
];

/** Lets the text run on past what fits, and hides a character that reverses what follows it. */
const QUESTION: readonly [AppName, string, Args] = [
  'Claude',
  'files__write_file',
  {
    path: 'reports/2026-q4-\u202efdp.md',
    content: [
      '# Fourth quarter, first look',
      '',
      'October brought 455,100 in revenue against 381,200 in costs. November is on the way to its best result yet: by the 20th it stands at 231,700.',
      '',
      '## What to watch',
      '',
      '- Costs of the northern office begin in December.',
      '- Two customers pay in January, not in December.',
      '- Energy prices went up by four percent.',
      '',
      '## Next steps',
      '',
      ...['Priya', 'Jonas', 'Maria', 'Amal', 'Chen', 'Ingrid'].map(
        (name) => `- ${name} reads the numbers and answers by Friday.`,
      ),
      '',
      'Sent to the whole team once Maria has agreed.',
    ].join('\n'),
  },
];

export interface Day {
  readonly person: Person;
  /** One more call that waits for the person's answer; refused when the day closes. */
  ask(): Promise<void>;
  close(): Promise<void>;
}

/** The apps' calls of a day, each made through the endpoint, with a person answering in the console. */
export async function liveDay(laptop: Laptop, changeWeather: () => void): Promise<Day> {
  const { handlers } = laptop.app;
  laptop.setBehind(6.5 * HOUR);
  const tokens = new Map<AppName, string>();
  for (const name of APPS) {
    const issued = await handlers.issueApp({ name });
    if (!issued.ok) throw new Error(issued.message);
    tokens.set(name, issued.token);
  }
  const person = await signIn(laptop.consoleLink());
  const clients = new Map<AppName, Client>();
  for (const name of APPS) clients.set(name, await connect(name, laptop.endpoint, tokens.get(name) ?? ''));
  const clientOf = (name: AppName): Client => {
    const client = clients.get(name);
    if (!client) throw new Error(`${name} is not connected`);
    return client;
  };
  await until('every tool set is listed', async () => {
    const { tools } = await clientOf('Claude').listTools();
    return ['files', 'memory', 'samples', 'weather'].every((alias) =>
      tools.some((tool) => tool.name.startsWith(`${alias}__`)),
    );
  });

  const play = async (events: readonly Event[]) => {
    for (const [before, app, tool, args, answer] of events) {
      laptop.setBehind(before);
      // A refusal is part of the day, and so is a tool that is not there any more.
      const called = clientOf(app)
        .callTool({ name: tool, arguments: { ...args } })
        .catch((error: Error) => error);
      if (answer) await person.answerNext(answer);
      await called;
    }
  };
  await play(MORNING);
  await play(AFTERNOON);
  laptop.setBehind(13 * MINUTE);
  changeWeather();
  await until('the changed tool is held back', async () => {
    const { tools } = await clientOf('VS Code').listTools();
    return !tools.some(({ name }) => name === 'weather__forecast');
  });
  await play(AFTER_THE_CHANGE);
  laptop.setBehind(0);
  await handlers.refreshPolicy({});

  let asked: Promise<unknown> | undefined;
  return {
    person,
    async ask() {
      const [app, tool, args] = QUESTION;
      asked = clientOf(app)
        .callTool({ name: tool, arguments: { ...args } })
        .catch((error: Error) => error);
      await until('the question is there', async () => (await handlers.questions({})).length > 0);
    },
    async close() {
      if (asked && (await handlers.questions({})).length > 0) await person.answerNext('deny');
      await asked;
      for (const client of clients.values()) await client.close();
    },
  };
}

export async function connect(name: string, endpoint: string, token: string): Promise<Client> {
  const client = new Client({ name, version: '1.0.0' });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), { requestInit: { headers } }));
  return client;
}

/** Asks until it holds; bounded by 60 s. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited a minute in vain: ${what}`);
    await new Promise((next) => setTimeout(next, 100));
  }
}
