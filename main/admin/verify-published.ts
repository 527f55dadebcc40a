import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileSnapshot } from '../policy/decide.ts';
import { isJsonObject } from '../policy/json.ts';
import type { ManifestServer } from '../policy/manifest.ts';
import type { Clock } from '../ports.ts';
import { keyFingerprints, parseEnrolment } from '../trust/enrolment.ts';
import { openSource } from '../trust/source.ts';
import { NOTHING_SEEN, verifyRepository } from '../trust/verify.ts';
import { readText } from './organisation.ts';
import { type AdminResult, messageOf, refuse, sentenceOf } from './result.ts';

export interface VerifyReport {
  readonly repository: string;
  readonly version: number;
  readonly digest: string;
  readonly expires: number;
  readonly signers: { readonly policy: readonly string[]; readonly servers: readonly string[] };
  readonly rootFingerprints: readonly string[];
  readonly servers: readonly {
    readonly alias: string;
    readonly tools: number;
    readonly prompts: number;
    readonly resourceTemplates: number;
    readonly resources: ManifestServer['resources'];
    readonly state: string;
  }[];
}

/** What a laptop that trusts this root would accept from there today, or why not. The laptop's own code decides. */
export async function verifyPublished(options: {
  /** A folder, or an address. */
  readonly repository: string;
  /** File with a root.json or an org.json. */
  readonly root: string;
  readonly clock: Clock;
}): Promise<AdminResult<VerifyReport>> {
  const repository = existsSync(options.repository)
    ? pathToFileURL(resolve(options.repository)).href
    : options.repository;
  const enrolment = readTrustedRoot(options.root, repository);
  if (!enrolment.ok) return enrolment;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-verify-'));
  try {
    const verdict = await verifyRepository({
      enrolment: enrolment.value,
      source: openSource(repository, { timeoutMs: 30_000, signal: AbortSignal.timeout(120_000) }),
      seen: NOTHING_SEEN,
      at: options.clock.now(),
      expiry: 'enforced',
      workIn: folder,
      where: repository,
    });
    if (!verdict.ok) return refuse('repository', `A laptop would refuse this (${verdict.code}). ${verdict.message}`);
    const { organisation, version, digest, expires, signers, policyJson, policyCedar, manifestJson } = verdict.value;
    const compiled = compileSnapshot({ organisation, version, policyJson, policyCedar, manifestJson });
    if (!compiled.ok) {
      return refuse(
        'invalid-policy',
        'The signatures are right, but a laptop would refuse what was signed:',
        ...compiled.problems.map((problem) => sentenceOf(problem.file, problem)),
      );
    }
    const servers = compiled.value.manifest.servers.map((server) => ({
      alias: server.alias,
      tools: Object.keys(server.tools).length,
      prompts: Object.keys(server.prompts).length,
      resourceTemplates: Object.keys(server.resourceTemplates).length,
      resources: server.resources,
      state: server.state,
    }));
    return {
      ok: true,
      value: {
        repository,
        version,
        digest,
        expires,
        signers,
        rootFingerprints: keyFingerprints(enrolment.value),
        servers,
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readTrustedRoot(file: string, repository: string) {
  const text = readText(file);
  if (!text.ok) return text;
  let json: unknown;
  try {
    json = JSON.parse(text.value);
  } catch (error) {
    return refuse('unreadable', `${file} is not JSON (${messageOf(error)}); expected a root.json or org.json.`);
  }
  const root = isJsonObject(json) && 'root' in json ? json.root : json;
  const parsed = parseEnrolment(JSON.stringify({ schema: 1, name: 'verified', repository, root }));
  return parsed.ok ? parsed : refuse('unreadable', `${file} with the repository ${repository}: ${parsed.message}`);
}
