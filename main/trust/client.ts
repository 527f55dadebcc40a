import { fileURLToPath } from 'node:url';
import { parseEnrolment, rootKeyIds } from './enrolment.ts';
import { judgeExpiry, waitForExpiry } from './expiry.ts';
import { openLastGood, tidyFolder } from './last-good.ts';
import { memoryId, recall } from './memory.ts';
import { createRefreshTimer } from './refresh-timer.ts';
import { describeFailure, managedElsewhere, notEnrolled, type Refusal, superseded } from './refusal.ts';
import { layeredSource, memorySource, openSource } from './source.ts';
import type {
  Enrolment,
  RefreshResult,
  Trust,
  TrustOptions,
  TrustProblem,
  TrustState,
  VerifiedTargets,
} from './trust.ts';
import { createTurns } from './turns.ts';
import { NOTHING_SEEN, newerSeen, type SeenMetadata, type Verdict, verifyRepository } from './verify.ts';
import { type FolderWatch, markOf, watchRepository } from './watch-folder.ts';

const FILE_TIMEOUT_MS = 15_000;
const REFRESH_TIMEOUT_MS = 90_000;

/**
 * The TUF client of one organisation: nothing is in force that was not verified, and accepted, as a whole.
 * One long closure on purpose: enrolment, policy, problem and kept files change only together, and nothing else can reach them.
 */
export function createTrust(options: TrustOptions): Trust {
  const { clock, log } = options;
  const kept = openLastGood(options.dir);
  const listeners = new Set<(state: TrustState) => void>();
  const ending = new AbortController();
  const timer = createRefreshTimer(options.refreshSeconds, () => void refresh());
  const managed = options.managedEnrolment !== undefined;

  let enrolment: Enrolment | undefined;
  let current: VerifiedTargets | undefined;
  let problem: TrustProblem | undefined;
  let checkedAt: number | undefined;
  /** Of the organisation joined now. */
  let seen: SeenMetadata = NOTHING_SEEN;
  /** The files behind `current`, so that an unchanged target is not fetched again. */
  let files: ReadonlyMap<string, string> = new Map();
  let failures = 0;
  let started = false;
  let watched: FolderWatch | undefined;
  let expiry: NodeJS.Timeout | undefined;
  /** Why the policy that was in force is not any more; outlasts attempts to fetch a new one. */
  let ended: TrustProblem | undefined;
  let graceMs = 0;
  let readingGrace = false;
  /** Raised by enrol and leave: what an earlier refresh brings home is no longer wanted. */
  let epoch = 0;
  /** Raised by leave: a joining asked for before it is called off. */
  let departures = 0;
  let joining = 0;

  const state = (): TrustState => {
    lapse();
    return {
      ...(enrolment
        ? {
            enrolment: {
              name: enrolment.name,
              repository: enrolment.repository,
              rootKeyIds: rootKeyIds(enrolment),
              managed,
            },
          }
        : {}),
      ...(current ? { current } : {}),
      ...(checkedAt === undefined ? {} : { checkedAt }),
      ...(problem ? { problem } : {}),
    };
  };

  const announce = () => {
    if (ending.signal.aborted) return;
    const now = state();
    for (const listener of listeners) {
      try {
        listener(now);
      } catch (error) {
        log.error('trust-listener-failed', { message: messageOf(error) });
      }
    }
  };

  const setProblem = (refusal: Refusal): TrustProblem => {
    const since = problem?.code === refusal.code ? problem.since : clock.now();
    if (problem?.message !== refusal.message) log.warn('trust-problem', { ...refusal });
    problem = { ...refusal, since };
    return problem;
  };

  /** Ends what is past its expiry and grace. Called on a timer and before every look at the state. */
  const lapse = () => {
    // The grace is asked of the policy being taken up, whose reader looks at the state again.
    if (!current || readingGrace) return;
    const judged = judgeExpiry(current, clock.now(), graceMs);
    if (judged.state === 'fresh') return;
    if (judged.state === 'grace') {
      if (!problem) setProblem(judged.refusal);
      return;
    }
    current = undefined;
    problem = undefined;
    ended = setProblem(judged.refusal);
    // Not from inside state(): a listener that asks for the state would be called in the middle of asking.
    queueMicrotask(announce);
  };

  const watchExpiry = () => {
    clearTimeout(expiry);
    if (!current || ending.signal.aborted) return;
    expiry = setTimeout(
      () => {
        const before = problem;
        lapse();
        if (current && problem !== before) announce();
        watchExpiry();
      },
      waitForExpiry(current, clock.now(), graceMs),
    );
    expiry.unref();
  };

  const putInForce = (targets: VerifiedTargets) => {
    current = targets;
    ended = undefined;
    readingGrace = true;
    try {
      graceMs = options.graceSeconds() * 1000;
    } finally {
      readingGrace = false;
    }
    watchExpiry();
  };

  const acceptable = async (targets: VerifiedTargets): Promise<Refusal | undefined> => {
    try {
      const sentence = await options.accept(targets);
      return sentence === undefined ? undefined : { code: 'invalid-policy', message: sentence };
    } catch (error) {
      return {
        code: 'invalid-policy',
        message: `The signed policy of ${targets.organisation} could not be prepared: ${messageOf(error)}. Tell your IT team.`,
      };
    }
  };

  const fetchAndVerify = (target: Enrolment, memory: SeenMetadata): Promise<Verdict> => {
    const repository = openSource(target.repository, {
      timeoutMs: options.fileTimeoutMs ?? FILE_TIMEOUT_MS,
      signal: AbortSignal.any([ending.signal, AbortSignal.timeout(REFRESH_TIMEOUT_MS)]),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    const known = new Map([...files].filter(([path]) => path.startsWith('targets/')));
    return verifyRepository({
      enrolment: target,
      source: layeredSource(memorySource(known), repository),
      seen: memory,
      at: clock.now(),
      expiry: 'enforced',
      workIn: options.dir,
      where: target.repository,
    });
  };

  /** Swaps in what was verified. What cannot be kept on disk is not taken up either: it would be gone at the next start. */
  const takeUp = (target: Enrolment, verdict: Verdict & { ok: true }, orgJson?: string): Refusal | undefined => {
    try {
      // Joining: whatever fails first leaves the old enrolment, or the new one complete.
      if (orgJson !== undefined) {
        kept.writeGood(verdict.files);
        kept.writeEnrolment(orgJson);
      }
      kept.writeSeen(memoryId(target), verdict.seen, clock.now());
      if (orgJson === undefined && !sameFiles(files, verdict.files)) kept.writeGood(verdict.files);
    } catch (error) {
      return describeFailure(error, options.dir);
    }
    seen = verdict.seen;
    files = verdict.files;
    problem = undefined;
    checkedAt = clock.now();
    failures = 0;
    putInForce(verdict.value);
    return undefined;
  };

  const failed = (refusal: Refusal): RefreshResult => {
    failures += 1;
    const found = setProblem(refusal);
    // Staff without tools need to hear that the policy ended; the network being away is only why it stays so.
    if (ended && refusal.code === 'unreachable') problem = ended;
    announce();
    return { ok: false, problem: found };
  };

  const refreshNow = async (): Promise<RefreshResult> => {
    if (!enrolment) return { ok: false, problem: problem ?? setProblem(notEnrolled) };
    if (ending.signal.aborted) return { ok: false, problem: { ...superseded, since: clock.now() } };
    const mine = epoch;
    const target = enrolment;
    const verdict = await fetchAndVerify(target, seen);
    if (mine !== epoch || ending.signal.aborted) return { ok: false, problem: { ...superseded, since: clock.now() } };
    if (!verdict.ok) {
      remember(target, verdict.seen);
      return failed(verdict);
    }
    const changed = current?.version !== verdict.value.version || current.digest !== verdict.value.digest;
    const unfit = changed ? await acceptable(verdict.value) : undefined;
    if (mine !== epoch || ending.signal.aborted) return { ok: false, problem: { ...superseded, since: clock.now() } };
    const refusal = unfit ?? takeUp(target, verdict);
    if (refusal) {
      remember(target, verdict.seen);
      return failed(refusal);
    }
    log.info(changed ? 'policy-taken-up' : 'policy-checked', {
      version: verdict.value.version,
      digest: verdict.value.digest,
    });
    announce();
    return { ok: true, changed };
  };

  /** A refused refresh still proves what exists: nothing older may come back later. */
  const remember = (target: Enrolment, metadata: SeenMetadata) => {
    seen = metadata;
    try {
      kept.writeSeen(memoryId(target), metadata, checkedAt);
    } catch (error) {
      log.error('trust-seen-not-kept', { message: messageOf(error) });
    }
  };

  // A refresh asked for while one runs starts after it: the running one may have read the old files.
  const turns = createTurns();
  let waiting: Promise<RefreshResult> | undefined;
  const refresh = (): Promise<RefreshResult> => {
    waiting ??= turns.take(async () => {
      waiting = undefined;
      const mine = epoch;
      const result = await refreshNow().catch((error: unknown): RefreshResult => {
        // Of an organisation that was left meanwhile nobody wants to hear.
        if (mine !== epoch) return { ok: false, problem: { ...superseded, since: clock.now() } };
        return failed(describeFailure(error, enrolment?.repository ?? options.dir));
      });
      if (!ending.signal.aborted && enrolment) timer.schedule(failures);
      return result;
    });
    return waiting;
  };

  /** `known`: what a folder held before it was read. */
  const follow = (known?: Promise<string>) => {
    watched?.close();
    watched = undefined;
    if (!enrolment || ending.signal.aborted || !started) return;
    timer.schedule(failures);
    if (enrolment.repository.startsWith('file:'))
      watched = watchRepository(fileURLToPath(enrolment.repository), () => void refresh(), known ? { known } : {});
  };

  const loadEnrolment = () => {
    const stored =
      options.managedEnrolment === undefined
        ? kept.readEnrolment()
        : { state: 'kept' as const, value: options.managedEnrolment };
    if (stored.state === 'none') return setProblem(notEnrolled);
    if (stored.state === 'damaged')
      return setProblem({ code: 'invalid-enrolment', message: `${stored.message}. Join your organisation again.` });
    const parsed = parseEnrolment(stored.value);
    if (!parsed.ok) return setProblem({ code: 'invalid-enrolment', message: parsed.message });
    enrolment = parsed.value;
    seen = recall(enrolment, [], kept.readMemories());
    return undefined;
  };

  const loadGood = async () => {
    const good = kept.readGood();
    if (!enrolment || good.state === 'none') return;
    const healing = `It will be fetched again from ${enrolment.repository}; until then no tool may be used.`;
    if (good.state === 'damaged') {
      setProblem({
        code: 'tampered',
        message: `The policy kept on this computer is damaged: ${good.message}. ${healing}`,
      });
      return;
    }
    const mine = epoch;
    const target = enrolment;
    const verdict = await verifyRepository({
      enrolment: target,
      source: memorySource(good.value),
      seen: NOTHING_SEEN,
      at: clock.now(),
      // Expiry is judged below with the grace this very policy gives.
      expiry: 'ignored',
      workIn: options.dir,
      where: `${options.dir} (kept on this computer)`,
    });
    if (mine !== epoch || ending.signal.aborted) return;
    if (!verdict.ok) {
      setProblem({ code: verdict.code === 'unreachable' ? 'tampered' : verdict.code, message: verdict.message });
      return;
    }
    // What was seen may be lost or older than this, after a crash between two writes: nothing older than this is taken either way.
    seen = newerSeen(seen, verdict.seen);
    const refusal = await acceptable(verdict.value);
    if (mine !== epoch || ending.signal.aborted) return;
    if (refusal) {
      setProblem(refusal);
      return;
    }
    files = good.value;
    checkedAt = kept.readMemories().find(({ id }) => id === memoryId(target))?.checkedAt;
    putInForce(verdict.value);
    lapse();
  };

  const enrolNow = async (orgJson: string, calledOff: () => boolean): Promise<RefreshResult> => {
    const refuse = (refusal: Refusal): RefreshResult => ({ ok: false, problem: { ...refusal, since: clock.now() } });
    if (managed) return refuse(managedElsewhere(enrolment?.name));
    if (calledOff()) return refuse(superseded);
    const parsed = parseEnrolment(orgJson);
    if (!parsed.ok) return refuse({ code: 'invalid-enrolment', message: parsed.message });
    const target = parsed.value;
    try {
      tidyFolder(options.dir);
    } catch (error) {
      return refuse(describeFailure(error, options.dir));
    }
    const known = target.repository.startsWith('file:') ? markOf(fileURLToPath(target.repository)) : undefined;
    const memories = () => [
      ...kept.readMemories(),
      ...(enrolment ? [{ id: memoryId(enrolment), metadata: seen }] : []),
    ];
    const memory = recall(target, [], memories());
    let verdict = await fetchAndVerify(target, memory);
    if (verdict.ok) {
      // Only the verified roots show that an older enrolment is of an organisation known already under a newer one.
      const more = newerSeen(memory, recall(target, verdict.seen.roots, memories()));
      if (more !== memory) verdict = await fetchAndVerify(target, more);
    }
    if (calledOff()) return refuse(superseded);
    if (!verdict.ok) return refuse(verdict);
    const unfit = await acceptable(verdict.value);
    if (calledOff()) return refuse(superseded);
    const refusal = unfit ?? takeUp(target, verdict, orgJson);
    if (refusal) return refuse(refusal);
    epoch += 1;
    enrolment = target;
    started = true;
    follow(known);
    announce();
    return { ok: true, changed: true };
  };

  return {
    state,
    async start() {
      if (started || ending.signal.aborted) return;
      started = true;
      try {
        tidyFolder(options.dir);
      } catch (error) {
        setProblem(describeFailure(error, options.dir));
      }
      await turns.take(async () => {
        if (!loadEnrolment()) await loadGood();
      });
      announce();
      follow();
      const first = refresh();
      // With a policy in force the network may take its time; without one there is nothing to start with.
      if (!current) await first;
    },
    refresh,
    enrol(orgJson) {
      const before = departures;
      const calledOff = () => before !== departures || ending.signal.aborted;
      joining += 1;
      const joined = turns.take(() => enrolNow(orgJson, calledOff));
      return joined.finally(() => {
        joining -= 1;
      });
    },
    leave() {
      if (managed || (!enrolment && joining === 0)) return false;
      // Whoever joins and then leaves has left, however far the joining had come.
      departures += 1;
      if (!enrolment) return true;
      try {
        kept.erase();
      } catch (error) {
        setProblem(describeFailure(error, options.dir));
        announce();
        return false;
      }
      epoch += 1;
      enrolment = undefined;
      current = undefined;
      checkedAt = undefined;
      files = new Map();
      seen = NOTHING_SEEN;
      ended = undefined;
      problem = undefined;
      setProblem(notEnrolled);
      timer.close();
      follow();
      announce();
      return true;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      ending.abort();
      timer.close();
      clearTimeout(expiry);
      watched?.close();
      listeners.clear();
    },
  };
}

function sameFiles(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([path, text]) => other.get(path) === text);
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
