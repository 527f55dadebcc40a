import { z } from 'zod';
import { nameKey, parseAppName } from './app-name.ts';

const StoredApps = z
  .array(
    z.strictObject({
      id: z.uuid(),
      name: z.string().refine((name) => parseAppName(name).ok, 'not a name an app can have'),
      issuedAt: z.number().int().nonnegative(),
      lastUsedAt: z.number().int().nonnegative().exactOptional(),
      hint: z.string().max(16),
      tokenSha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  )
  .refine((apps) => isUnique(apps.map((app) => app.id)), 'the same id twice')
  .refine((apps) => isUnique(apps.map((app) => nameKey(app.name))), 'the same name twice')
  .refine((apps) => isUnique(apps.map((app) => app.tokenSha256)), 'the same token twice');

/** An app as it lies in the preferences. */
export type StoredApp = Readonly<z.output<typeof StoredApps>[number]>;

/** Reads what preferences hold under "apps". All or nothing: a list that was tampered with gives nobody access. */
export function parseStoredApps(
  value: unknown,
): { readonly ok: true; readonly apps: readonly StoredApp[] } | { readonly ok: false; readonly problem: string } {
  if (value === undefined || value === null) return { ok: true, apps: [] };
  const parsed = StoredApps.safeParse(value);
  if (parsed.success) return { ok: true, apps: parsed.data };
  const details = parsed.error.issues.slice(0, 5).map((issue) => `/${issue.path.join('/')}: ${issue.message}`);
  return {
    ok: false,
    problem:
      'The stored list of AI apps cannot be read, so no app is connected now. Give each app a new token under Apps. ' +
      `The old list is kept in the preferences under "appsBroken" (${details.join('; ')}).`,
  };
}

function isUnique(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}
