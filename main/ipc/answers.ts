import type { CallAnswer, Handlers } from '../../preload/contract.ts';
import type { Rooms } from '../app.ts';
import type { AppRecord } from '../identity/apps.ts';
import type { RefreshResult } from '../trust/trust.ts';
import { viewCall, viewCallDetail } from './activity-view.ts';
import { bridgeCommand } from './bridge-command.ts';
import { readHome } from './home-view.ts';
import { viewQuestion } from './question-view.ts';
import { readStatus } from './status-view.ts';
import { createTokensView } from './tokens-view.ts';
import { readToolSets } from './tools-view.ts';

type Done = CallAnswer<'pause'>;
const done: Done = { ok: true };
const refuse = (code: string, message: string): Done => ({ ok: false, code, message });
const refreshed = (result: RefreshResult): Done =>
  result.ok ? done : refuse(result.problem.code, result.problem.message);

/** Start of the person's day, in this computer's time zone. */
export function startOfDay(now: number): number {
  return new Date(now).setHours(0, 0, 0, 0);
}

/** Answers every call of the contract from the rooms. Arguments have been checked by `dispatch`. */
export function createHandlers(rooms: Rooms): Handlers {
  const { apps, approvals, audit, backends, gateway, pause, ports, switches, trust } = rooms;

  const viewApp = (app: AppRecord) => ({
    id: app.id,
    name: app.name,
    hint: app.hint,
    issuedAt: app.issuedAt,
    ...(app.lastUsedAt === undefined ? {} : { lastUsedAt: app.lastUsedAt }),
    sessions: gateway.connections().get(app.id) ?? 0,
    callsToday: callsToday(app.name),
  });
  const bridge = (endpoint: string) =>
    bridgeCommand({
      resources: ports.paths.resources,
      data: ports.paths.data,
      endpoint,
      execPath: process.execPath,
      inElectron: process.versions.electron !== undefined,
      appImage: process.env.APPIMAGE,
      isRoot: process.getuid?.() === 0,
    });
  const callsToday = (app: string) => audit.reader.countByApp(startOfDay(ports.clock.now())).get(app) ?? 0;
  /** A token nobody recorded must not exist. */
  const recordIssued = (app: AppRecord) => {
    try {
      audit.writer.append({ kind: 'app.issued', app: app.name });
    } catch (error) {
      apps.revoke(app.id);
      throw error;
    }
  };
  const knownAlias = (alias: string) => {
    const policy = rooms.policy();
    return policy.ok && policy.snapshot.manifest.servers.some((server) => server.alias === alias);
  };

  return {
    status: () => readStatus(rooms),
    home: () => readHome(rooms),
    tools: () => readToolSets(rooms),
    setToolSetEnabled: ({ alias, enabled }) => {
      if (!knownAlias(alias)) return refuse('unknown', `Your organisation has no tools named "${alias}".`);
      switches.set(alias, enabled);
      return done;
    },
    inspectToolSet: async ({ alias }) => {
      if (!knownAlias(alias)) return refuse('unknown', `Your organisation has no tools named "${alias}".`);
      try {
        await gateway.inspect(alias);
        return done;
      } catch (error) {
        return refuse('unavailable', error instanceof Error ? error.message : String(error));
      }
    },
    toolSetLog: ({ alias }) => [...backends.stderr(alias)],

    apps: () => apps.list().map(viewApp),
    tokensSaved: createTokensView(rooms),
    issueApp: ({ name }) => {
      const issued = apps.issue(name);
      if (!issued.ok) return issued;
      // The name's old token has ended whatever comes next, so what runs by it ends too.
      gateway.appEnded(issued.app.id);
      recordIssued(issued.app);
      const endpoint = rooms.endpoint() ?? '';
      return { ok: true, app: viewApp(issued.app), token: issued.token, endpoint, bridge: bridge(endpoint) };
    },
    revokeApp: ({ id }) => {
      const app = apps.list().find((entry) => entry.id === id);
      if (!app || !apps.revoke(id)) return refuse('unknown', 'This app was already removed.');
      // First of all the app is out; a record that cannot be written is said, but lets nobody back in.
      gateway.appEnded(id);
      audit.writer.append({ kind: 'app.revoked', app: app.name });
      return done;
    },
    restoreApp: ({ id }) => {
      if (!apps.restore(id))
        return refuse('unknown', 'This app can no longer be restored. Add it again to give it a new token.');
      const app = apps.list().find((entry) => entry.id === id);
      if (app) recordIssued(app);
      return done;
    },

    activity: (filter) => audit.reader.calls(filter).map((story) => viewCall(rooms, story)),
    call: ({ callId }) => {
      const found = audit.reader.call(callId);
      return found ? viewCallDetail(rooms, found) : null;
    },
    verifyRecord: () => rooms.verifyRecord(),

    questions: () => approvals.pending().map(viewQuestion),
    answer: ({ id, digest, answer }) => {
      const result = approvals.answer(id, digest, answer);
      if (result.ok) return done;
      switch (result.code) {
        case 'unknown':
          return refuse('unknown', 'This question was already answered or its time ran out. Nothing was allowed.');
        case 'digest-mismatch':
          return refuse('digest-mismatch', 'What you were shown is not what was asked. Nothing was allowed.');
        case 'not-offered':
          return refuse('not-offered', 'Your organisation does not offer this answer. Nothing was allowed.');
        default: {
          const never: never = result.code;
          return never;
        }
      }
    },

    pause: ({ minutes }) => {
      pause.start(minutes);
      return done;
    },
    resume: () => {
      pause.resume();
      return done;
    },
    refreshPolicy: async () => refreshed(await trust.refresh()),
    previewEnrolment: ({ source }) => rooms.previewEnrolment(source),
    enrol: async ({ orgJson }) => refreshed(await trust.enrol(orgJson)),
    enrolDemo: async () => {
      try {
        const orgJson = await rooms.makeDemoOrganisation((progress) => rooms.emit('setup', progress));
        return refreshed(await trust.enrol(orgJson));
      } catch (error) {
        return refuse('demo-failed', error instanceof Error ? error.message : String(error));
      }
    },
    leaveOrganisation: () => {
      if (trust.leave()) return done;
      const { enrolment, problem } = trust.state();
      if (!enrolment)
        return refuse('not-enrolled', 'This computer is with no organisation, so there is none to leave.');
      if (enrolment.managed)
        return refuse(
          'managed',
          'Your organisation manages this computer, so it cannot be left here. Ask your IT team.',
        );
      return refuse(
        problem?.code ?? 'unwritable',
        problem?.message ?? 'The organisation could not be left. Try again.',
      );
    },
  };
}
