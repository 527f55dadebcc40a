import { type Decision, type DecisionRequest, decide, type PolicySnapshot, type User } from '../policy/decide.ts';
import type { JsonObject } from '../policy/json.ts';
import type { ManifestServer, Pin } from '../policy/manifest.ts';
import { templateFor } from '../policy/uri-template.ts';
import type { Endpoint } from './admit.ts';
import type { PinnedKind } from './held-back.ts';
import { type Named, nameTable } from './names.ts';
import { uriNames } from './uris.ts';

/** Longer URIs are nobody's: they are compared, recorded and shown. */
const longestUri = 8_192;

/** One resource of a server, by the server's own URI. */
export interface ResourceSubject {
  readonly kind: 'resource';
  /** The URI on this endpoint. */
  readonly wireName: string;
  readonly server: ManifestServer;
  readonly name: string;
  /** The template it is an expansion of, where only what templates describe was approved. */
  readonly pin?: Pin;
}

/** What a request is about. */
export type Subject = Named | ResourceSubject;

/** Whose view: everything that what is visible depends on. */
export interface View {
  readonly snapshot: PolicySnapshot;
  readonly user: User;
  readonly app: string;
  readonly endpoint: Endpoint;
}

/** Where a subject's definition stands among what its server lists; undefined for what is not pinned. */
export function pinnedAs(
  subject: Subject,
): { readonly kind: PinnedKind; readonly name: string; readonly pin: Pin } | undefined {
  switch (subject.kind) {
    case 'tool':
      return { kind: 'tools', name: subject.name, pin: subject.pin };
    case 'prompt':
      return { kind: 'prompts', name: subject.name, pin: subject.pin };
    case 'resource': {
      const { pin } = subject;
      const template = pin?.definition.uriTemplate;
      if (pin === undefined || typeof template !== 'string') return undefined;
      return { kind: 'resourceTemplates', name: template, pin };
    }
    default:
      return subject satisfies never;
  }
}

/** A pinned tool or prompt by its name on this endpoint; undefined for one that is not there. */
export function findNamed(
  snapshot: PolicySnapshot,
  endpoint: Endpoint,
  kind: 'tool' | 'prompt',
  wireName: string,
): Named | undefined {
  return nameTable(snapshot, endpoint, kind).get(wireName);
}

/** A resource that may exist: of a server whose resources are taken as shown, or an expansion of a pinned template. */
export function findResource(
  snapshot: PolicySnapshot,
  endpoint: Endpoint,
  wireUri: string,
): ResourceSubject | undefined {
  const found = wireUri.length > longestUri ? undefined : uriNames(snapshot.manifest, endpoint).find(wireUri);
  if (found === undefined) return undefined;
  const { server, uri } = found;
  const subject = { kind: 'resource', wireName: wireUri, server, name: uri } as const;
  if (server.resources === 'as-shown') return subject;
  const pin = templateFor(server, uri);
  return pin === undefined ? undefined : { ...subject, pin };
}

/** A pinned template by the spelling it has on this endpoint. */
export function findTemplate(
  snapshot: PolicySnapshot,
  endpoint: Endpoint,
  wireTemplate: string,
): ResourceSubject | undefined {
  const found = wireTemplate.length > longestUri ? undefined : uriNames(snapshot.manifest, endpoint).find(wireTemplate);
  if (found === undefined) return undefined;
  const { server, uri } = found;
  const pin = Object.hasOwn(server.resourceTemplates, uri) ? server.resourceTemplates[uri] : undefined;
  return pin === undefined ? undefined : { kind: 'resource', wireName: wireTemplate, server, name: uri, pin };
}

/** What the policy says about a subject. With `args` about using it, without about seeing it. */
export function decideOn(view: View, subject: Subject, at: number, args?: JsonObject): Decision {
  return decide(view.snapshot, requestOf(view, subject, at, args === undefined ? 'discover' : 'call', args));
}

/** What the policy says about using a subject, also where it is not known with which arguments: then rules that read them deny. */
export function decideUse(view: View, subject: Subject, at: number, args: JsonObject | undefined): Decision {
  return decide(view.snapshot, requestOf(view, subject, at, 'call', args));
}

function requestOf(
  { user, app, endpoint }: View,
  subject: Subject,
  at: number,
  question: DecisionRequest['question'],
  args: JsonObject | undefined,
): DecisionRequest {
  return {
    question,
    user,
    app,
    ...(endpoint.kind === 'profile' && { profile: endpoint.profile }),
    alias: subject.server.alias,
    ...(subject.kind !== 'tool' && { kind: subject.kind }),
    // A resource is asked about by server; its URI is among the arguments.
    tool: subject.kind === 'resource' ? '' : subject.name,
    ...(args !== undefined && { args }),
    at,
  };
}

/** Whether this is the same thing, by the same pin, under another policy. */
export function isSameSubject(one: Subject, other: Subject | undefined): boolean {
  return (
    other !== undefined &&
    one.kind === other.kind &&
    one.name === other.name &&
    one.server.alias === other.server.alias &&
    one.pin?.sha256 === other.pin?.sha256
  );
}
