import { checkCedar, generateSchema } from '../policy/cedar.ts';
import { type PolicyDocument, parsePolicyDocument } from '../policy/document.ts';
import { type Manifest, parseManifest } from '../policy/manifest.ts';
import { pathsOf, readSources } from './organisation.ts';
import { type AdminResult, refuse, sentenceOf } from './result.ts';

export interface CheckReport {
  readonly servers: number;
  readonly tools: number;
  /** What is allowed but worth knowing: arguments no rule can read, servers nobody can use. */
  readonly notes: readonly string[];
}

/** policy.json and manifest.json against their schemas, Cedar strictly against the schema generated from the pins. Every problem at once. */
export async function checkOrganisation(dir: string): Promise<AdminResult<CheckReport>> {
  const sources = readSources(pathsOf(dir));
  if (!sources.ok) return sources;
  const document = parsePolicyDocument(sources.value.policyJson);
  const manifest = parseManifest(sources.value.manifestJson);
  const problems = [
    ...(document.ok ? [] : document.problems.map((problem) => sentenceOf('policy.json', problem))),
    ...(manifest.ok ? [] : manifest.problems.map((problem) => sentenceOf('manifest.json', problem))),
  ];
  if (!manifest.ok) return refuse('invalid-manifest', ...problems);
  problems.push(
    ...checkCedar(sources.value.policyCedar, manifest.value).map((problem) => sentenceOf('policy.cedar', problem)),
  );
  if (!document.ok || problems.length > 0) return refuse('invalid-policy', ...problems);
  const { untyped } = generateSchema(manifest.value);
  const notes = [
    ...untyped.map(
      (problem) => `No rule can read ${problem.path}: ${problem.found}.${problem.advice ? ` ${problem.advice}` : ''}`,
    ),
    ...lint(document.value, sources.value.policyCedar, manifest.value),
  ];
  const tools = manifest.value.servers.reduce((sum, server) => sum + Object.keys(server.tools).length, 0);
  return { ok: true, value: { servers: manifest.value.servers.length, tools, notes } };
}

function lint(document: PolicyDocument, cedar: string, manifest: Manifest): string[] {
  const notes: string[] = [];
  for (const server of manifest.servers) {
    if (server.state === 'active' && Object.keys(server.tools).length === 0) {
      notes.push(
        `The server "${server.alias}" has no pinned tool, so staff see nothing of it. Run "gatehouse-admin pin".`,
      );
    }
  }
  for (const profile of document.profiles) {
    for (const pattern of profile.tools) {
      if (!matchesSomething(pattern, manifest))
        notes.push(`The profile "${profile.name}" names "${pattern}", which no pinned tool matches.`);
    }
  }
  const known = new Set(Object.values(document.identity.users).flat());
  const named = new Set([...cedar.matchAll(/\bGroup::"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? ''));
  for (const group of named) {
    if (!known.has(group)) notes.push(`The rules name the group "${group}", but policy.json puts no user in it.`);
  }
  return notes;
}

function matchesSomething(pattern: string, manifest: Manifest): boolean {
  const dot = pattern.indexOf('.');
  const tool = pattern.slice(dot + 1);
  return manifest.servers.some(
    (server) => server.alias === pattern.slice(0, dot) && (tool === '*' || Object.hasOwn(server.tools, tool)),
  );
}
