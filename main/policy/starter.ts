import { cedarString } from './cedar-schema.ts';

/** policy.cedar of a new organisation: everyone sees and calls what is pinned; what changes something asks first. */
export function starterCedar(organisation: string): string {
  const reason = cedarString(`${onOneLine(organisation)} asks before a tool changes something.`);
  return `// Who may see, call, and call without being asked. A forbid always wins over a permit.
// Tools come from manifest.json; check this file with: gatehouse-admin policy check

@id("see-what-is-approved")
permit (principal, action in Action::"discover", resource);

@id("call-what-is-approved")
permit (principal, action in Action::"call", resource);

@id("call-without-asking")
permit (principal, action in Action::"unattended", resource);

@id("ask-before-changes")
@reason(${reason})
forbid (principal, action in Action::"unattended", resource)
unless { resource.readOnly };
`;
}

/** policy.json of a new organisation, with the fields IT changes first; every other field has its default. */
export function starterDocument(organisation: string, contact: string): object {
  return {
    schema: 1,
    organisation: onOneLine(organisation),
    contact: onOneLine(contact),
    identity: { users: {} },
    profiles: [],
    approvals: { timeoutSeconds: 60, remember: ['call', 'session'], message: '' },
    apps: { allowed: ['*'] },
  };
}

function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\s]+/gu, ' ').trim();
}
