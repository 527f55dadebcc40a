import { z } from 'zod';

/** Every call and event between a window and main, defined once. Handlers, bridge, types and the tests' fake derive from it. */

const Risk = z.enum(['reads', 'changes', 'destroys']);
const Rule = z.object({ id: z.string(), reason: z.string().optional() });

const Problem = z.object({ code: z.string(), message: z.string(), since: z.number() });

/** The first line of Home, the tray and every page's frame. */
const Status = z.object({
  state: z.enum(['not-enrolled', 'calm', 'asking', 'paused', 'problem']),
  organisation: z.string().optional(),
  contact: z.string().optional(),
  user: z.string(),
  policy: z
    .object({
      version: z.number(),
      digest: z.string(),
      signers: z.array(z.string()),
      checkedAt: z.number().optional(),
      expires: z.number(),
    })
    .optional(),
  problem: Problem.optional(),
  pausedUntil: z.number().nullable().optional(),
  endpoint: z.string().optional(),
  waiting: z.number(),
  version: z.string(),
});

const Change = z.object({ path: z.string(), before: z.unknown().optional(), after: z.unknown().optional() });

/** One thing of a tool set that was approved, or is held back. */
const Offer = z.object({
  /** Name of the tool or prompt, or the address a resource template describes. */
  name: z.string(),
  title: z.string(),
  description: z.string(),
  /** What the policy says before arguments are known; "depends" when a rule reads them. */
  effect: z.enum(['allow', 'ask', 'deny', 'depends', 'hidden']),
  reason: z.string(),
  rules: z.array(Rule),
  state: z.enum(['approved', 'changed', 'unpinned', 'missing', 'unseen']),
  changes: z.array(Change),
});

const ToolAction = Offer.extend({ risk: Risk });

const ToolSet = z.object({
  alias: z.string(),
  title: z.string(),
  description: z.string(),
  owner: z.string(),
  enabled: z.boolean(),
  state: z.enum(['idle', 'starting', 'running', 'backing-off', 'failed', 'stopped', 'revoked']),
  lastError: z.string().optional(),
  retryAt: z.number().optional(),
  version: z.string().optional(),
  actions: z.array(ToolAction),
  prompts: z.array(Offer),
  /** What can be read: resource templates. */
  templates: z.array(Offer),
});

const App = z.object({
  id: z.string(),
  name: z.string(),
  hint: z.string(),
  issuedAt: z.number(),
  lastUsedAt: z.number().optional(),
  sessions: z.number(),
  callsToday: z.number(),
});

/** For one app on one profile with search: what all its tools would cost a conversation, and what the two that stand for them do. */
const TokensSaved = z.object({
  app: z.string(),
  profile: z.string(),
  title: z.string(),
  tools: z.number(),
  listTokens: z.number(),
  searchTokens: z.number(),
});

const Call = z.object({
  seq: z.number(),
  callId: z.string(),
  at: z.number(),
  app: z.string(),
  user: z.string(),
  alias: z.string(),
  serverTitle: z.string(),
  /** What the app did: used a tool, read or watched a resource, took a prompt, asked for suggestions; the last four are about a task of a tool. */
  act: z.enum(['use', 'read', 'watch', 'prompt', 'suggest', 'check', 'collect', 'answer', 'stop']),
  tool: z.string(),
  toolTitle: z.string(),
  status: z.enum(['running', 'done', 'refused']),
  outcome: z.string().optional(),
  refusal: z.string().optional(),
  effect: z.enum(['allow', 'ask', 'deny']),
  approval: z.string().optional(),
  message: z.string().optional(),
  durationMs: z.number().optional(),
});

const CallDetail = Call.extend({
  rules: z.array(Rule),
  reason: z.string(),
  era: z.string(),
  profile: z.string().optional(),
  policyVersion: z.number(),
  policyDigest: z.string(),
  definition: z.string().optional(),
  argumentsText: z.string().optional(),
  argumentsDigest: z.string(),
  resultText: z.string().optional(),
  /** What the tool set asked the app while it worked: for the person's answer, for words of its model, for its folders. `answer` as recorded. */
  asked: z.array(
    z.object({
      seq: z.number(),
      at: z.number(),
      what: z.enum(['person', 'model', 'folders', 'other']),
      answer: z.string(),
    }),
  ),
  chain: z.array(z.object({ seq: z.number(), at: z.number(), kind: z.string(), hash: z.string(), prev: z.string() })),
});

/** One argument of a pending question, labelled in the schema's own words. Hidden characters are marked by the renderer. */
const Field = z.object({
  path: z.string(),
  label: z.string(),
  description: z.string().optional(),
  value: z.unknown(),
});

const Question = z.object({
  id: z.string(),
  digest: z.string(),
  app: z.string(),
  user: z.string(),
  alias: z.string(),
  serverTitle: z.string(),
  kind: z.enum(['tool', 'prompt', 'resource']),
  tool: z.string(),
  toolTitle: z.string(),
  toolDescription: z.string(),
  fields: z.array(Field),
  /** Exactly what will be sent, pretty-printed JSON. */
  raw: z.string(),
  labels: z.array(z.string()),
  risk: Risk,
  reason: z.string(),
  rules: z.array(z.string()),
  message: z.string(),
  remember: z.array(z.enum(['call', 'session'])),
  askedAt: z.number(),
  expiresAt: z.number(),
});

const Home = z.object({
  status: Status,
  apps: z.number(),
  tools: z.number(),
  today: z.object({ allowed: z.number(), refused: z.number() }),
  /** `hour`: the moment the hour began, epoch milliseconds at a full hour UTC; hours without calls are left out. */
  hours: z.array(z.object({ hour: z.number(), allowed: z.number(), refused: z.number() })),
  needs: z.array(
    z.object({
      kind: z.enum(['changed', 'backend', 'waiting', 'problem']),
      title: z.string(),
      detail: z.string(),
      page: z.string(),
      target: z.string().optional(),
    }),
  ),
  recent: z.array(Call),
});

const Done = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true) }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);

const CallFilter = z.object({
  app: z.string().optional(),
  alias: z.string().optional(),
  outcome: z.enum(['ok', 'refused', 'failed', 'running']).optional(),
  text: z.string().max(200).optional(),
  since: z.number().optional(),
  beforeSeq: z.number().optional(),
  limit: z.number().int().min(1).max(500).optional(),
});

/** name → [arguments, answer]. */
export const calls = {
  status: { args: z.object({}), answer: Status },
  home: { args: z.object({}), answer: Home },
  tools: { args: z.object({}), answer: z.array(ToolSet) },
  /** A person's own switch: an approved tool set they do not want offered. */
  setToolSetEnabled: { args: z.object({ alias: z.string(), enabled: z.boolean() }), answer: Done },
  /** Starts the backend and looks at what it shows now. */
  inspectToolSet: { args: z.object({ alias: z.string() }), answer: Done },
  /** What the backend wrote to stderr lately. */
  toolSetLog: { args: z.object({ alias: z.string() }), answer: z.array(z.string()) },
  apps: { args: z.object({}), answer: z.array(App) },
  /** Counted with OpenAI's o200k tokenizer; takes a moment the first time. */
  tokensSaved: { args: z.object({}), answer: z.array(TokensSaved) },
  issueApp: {
    args: z.object({ name: z.string().min(1).max(64) }),
    answer: z.discriminatedUnion('ok', [
      z.object({
        ok: z.literal(true),
        app: App,
        token: z.string(),
        endpoint: z.string(),
        /** What an app that speaks stdio only starts, with the token in the variable GATEHOUSE_TOKEN. */
        bridge: z.object({ command: z.string(), args: z.array(z.string()) }),
      }),
      z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
    ]),
  },
  revokeApp: { args: z.object({ id: z.string() }), answer: Done },
  restoreApp: { args: z.object({ id: z.string() }), answer: Done },
  activity: { args: CallFilter, answer: z.array(Call) },
  call: { args: z.object({ callId: z.string() }), answer: CallDetail.nullable() },
  verifyRecord: {
    args: z.object({}),
    answer: z.object({
      ok: z.boolean(),
      rows: z.number(),
      head: z.string().optional(),
      seq: z.number().optional(),
      problem: z.string().optional(),
    }),
  },
  questions: { args: z.object({}), answer: z.array(Question) },
  answer: {
    args: z.object({ id: z.string(), digest: z.string(), answer: z.enum(['allow-once', 'allow-session', 'deny']) }),
    answer: Done,
  },
  pause: { args: z.object({ minutes: z.number().int().min(1).max(1440).nullable() }), answer: Done },
  resume: { args: z.object({}), answer: Done },
  refreshPolicy: { args: z.object({}), answer: Done },
  /** Reads org.json text (or the address of one) and says whose it is, before it is trusted. */
  previewEnrolment: {
    args: z.object({ source: z.string().min(1).max(200_000) }),
    answer: z.discriminatedUnion('ok', [
      z.object({
        ok: z.literal(true),
        name: z.string(),
        repository: z.string(),
        fingerprints: z.array(z.string()),
        orgJson: z.string(),
      }),
      z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
    ]),
  },
  enrol: { args: z.object({ orgJson: z.string() }), answer: Done },
  /** Makes the demo organisation on this computer and joins it. Progress arrives as the 'setup' event. */
  enrolDemo: { args: z.object({}), answer: Done },
  leaveOrganisation: { args: z.object({}), answer: Done },
} as const;

/** Events from main. `changed` names what to ask for again; 'setup' carries progress of a long task. */
export const events = {
  changed: z.object({ what: z.enum(['status', 'tools', 'apps', 'activity', 'questions']) }),
  setup: z.object({ step: z.string(), done: z.number(), total: z.number() }),
  /** Main asks the window to show a page. */
  navigate: z.object({ page: z.string() }),
} as const;

export type CallName = keyof typeof calls;
export type EventName = keyof typeof events;
export type CallArgs<N extends CallName> = z.input<(typeof calls)[N]['args']>;
export type CallAnswer<N extends CallName> = z.output<(typeof calls)[N]['answer']>;
export type EventPayload<N extends EventName> = z.output<(typeof events)[N]>;

/** One typed handler per call: what main implements and the tests' fake too. */
export type Handlers = {
  readonly [N in CallName]: (args: z.output<(typeof calls)[N]['args']>) => CallAnswer<N> | Promise<CallAnswer<N>>;
};

/** What `window.gatehouse` is, in Electron and in the console alike. */
export interface Bridge {
  call<N extends CallName>(name: N, args: CallArgs<N>): Promise<CallAnswer<N>>;
  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void;
}

export type StatusView = z.output<typeof Status>;
export type HomeView = z.output<typeof Home>;
export type ToolSetView = z.output<typeof ToolSet>;
export type OfferView = z.output<typeof Offer>;
export type ToolActionView = z.output<typeof ToolAction>;
export type AppView = z.output<typeof App>;
export type TokensSavedView = z.output<typeof TokensSaved>;
export type CallView = z.output<typeof Call>;
export type CallDetailView = z.output<typeof CallDetail>;
export type QuestionView = z.output<typeof Question>;
export type FieldView = z.output<typeof Field>;
export type ChangeView = z.output<typeof Change>;
