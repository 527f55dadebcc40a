import type { ExpectedFailure } from '../../scripts/conformance/clients.ts';

/** Client scenarios that Gatehouse fails today, one by one. A failure that is not here fails the run, and so does a pass of one that is. */

const both = ['2025-11-25', '2026-07-28'] as const;
const modern = ['2026-07-28'] as const;

/**
 * Gatehouse has no sign-in to servers: a server that answers 401 is reported as requiring one, and is never called. Each of these
 * scenarios begins with such an answer and then looks at one part of the sign-in.
 */
const signIn: readonly ExpectedFailure[] = [
  [
    'auth/metadata-default',
    both,
    'The metadata of the protected resource and of its authorization server is not looked up, here where the challenge says.',
  ],
  [
    'auth/metadata-var1',
    both,
    'The metadata is not looked up, here at the well-known address and with OpenID discovery.',
  ],
  [
    'auth/metadata-var2',
    both,
    'The metadata is not looked up, here the resource’s at the root and the authorization server’s at a path of its own.',
  ],
  [
    'auth/metadata-var3',
    both,
    'The metadata is not looked up, here at an address only the challenge names, with OpenID discovery at a path.',
  ],
  ['auth/basic-cimd', both, 'Gatehouse has no client id metadata document and makes no authorization request.'],
  [
    'auth/scope-from-www-authenticate',
    both,
    'No authorization request is made, so none carries the scope of the challenge.',
  ],
  [
    'auth/scope-from-scopes-supported',
    both,
    'No authorization request is made, so none carries the scopes the server supports.',
  ],
  ['auth/scope-omitted-when-undefined', both, 'No authorization request is made, so none leaves the scope out.'],
  [
    'auth/scope-step-up',
    both,
    'A 403 that asks for more scope is a refusal to Gatehouse; nothing is asked for a second time.',
  ],
  ['auth/scope-retry-limit', both, 'Nothing is tried even once, so there is no limit of retries to see.'],
  [
    'auth/token-endpoint-auth-basic',
    both,
    'No token is requested, so no client authenticates with client_secret_basic.',
  ],
  ['auth/token-endpoint-auth-post', both, 'No token is requested, so no client authenticates with client_secret_post.'],
  ['auth/token-endpoint-auth-none', both, 'No token is requested, so no public client does without a secret.'],
  ['auth/pre-registration', both, 'There is nowhere to keep a client id and secret that were registered beforehand.'],
  [
    'auth/resource-mismatch',
    modern,
    'The resource named by the metadata is not compared, because the metadata is not read.',
  ],
  ['auth/offline-access-scope', modern, 'No authorization request is made, so none asks for offline_access.'],
  ['auth/offline-access-not-supported', modern, 'No authorization request is made, so none leaves offline_access out.'],
  [
    'auth/authorization-server-migration',
    modern,
    'Gatehouse registers nowhere, so it does not register anew when the authorization server changes.',
  ],
  ['auth/iss-supported', modern, 'There is no authorization response whose iss could be accepted.'],
  ['auth/iss-not-advertised', modern, 'There is no authorization response that could go without an iss.'],
  ['auth/iss-supported-missing', modern, 'There is no authorization response to refuse for its missing iss.'],
  ['auth/iss-wrong-issuer', modern, 'There is no authorization response to refuse for a wrong iss.'],
  ['auth/iss-unexpected', modern, 'There is no authorization response to refuse for an iss nobody announced.'],
  ['auth/iss-normalized', modern, 'There is no authorization response whose iss could be compared letter by letter.'],
  [
    'auth/metadata-issuer-mismatch',
    modern,
    'The issuer inside the metadata is not compared, because the metadata is not read.',
  ],
].map(([scenario, revisions, reason]) => ({ scenario, revisions, reason }) as ExpectedFailure);

export const expectedFailures: readonly ExpectedFailure[] = [
  ...signIn,
  {
    scenario: 'http-custom-headers',
    revisions: modern,
    checks: ['sep-2243-client-omit-null'],
    reason:
      'The scenario calls a tool with null where the tool’s own schema allows only true or false. Gatehouse checks arguments against the pinned schema and refuses that call, so no request goes out whose missing header could be seen.',
  },
];
