import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Manifest, parseManifest } from '../policy/manifest.ts';
import { parseEnrolment } from '../trust/enrolment.ts';
import { writeFileAtomically } from '../trust/files.ts';
import type { Enrolment } from '../trust/trust.ts';
import { type AdminResult, messageOf, refuse, sentenceOf } from './result.ts';

/** The folder IT keeps in version control. Everything in it is text; the keys are encrypted. */
export interface OrganisationPaths {
  readonly dir: string;
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
  readonly keys: string;
  readonly repository: string;
  readonly orgJson: string;
}

export function pathsOf(dir: string): OrganisationPaths {
  const root = resolve(dir);
  const at = (name: string) => join(root, name);
  return {
    dir: root,
    policyJson: at('policy.json'),
    policyCedar: at('policy.cedar'),
    manifestJson: at('manifest.json'),
    keys: at('keys'),
    repository: at('repository'),
    orgJson: at('org.json'),
  };
}

export interface Sources {
  readonly policyJson: string;
  readonly policyCedar: string;
  readonly manifestJson: string;
}

export function readSources(paths: OrganisationPaths): AdminResult<Sources> {
  const policyJson = readText(paths.policyJson);
  const policyCedar = readText(paths.policyCedar);
  const manifestJson = readText(paths.manifestJson);
  const problems = [policyJson, policyCedar, manifestJson].flatMap((file) => (file.ok ? [] : file.problems));
  if (!policyJson.ok || !policyCedar.ok || !manifestJson.ok) {
    return refuse(existsSync(paths.orgJson) ? 'unreadable' : 'no-organisation', ...problems);
  }
  return {
    ok: true,
    value: { policyJson: policyJson.value, policyCedar: policyCedar.value, manifestJson: manifestJson.value },
  };
}

export function readEnrolment(paths: OrganisationPaths): AdminResult<Enrolment> {
  const text = readText(paths.orgJson);
  if (!text.ok)
    return refuse(
      'no-organisation',
      `${paths.dir} is not an organisation folder: it has no readable org.json. Make one with "gatehouse-admin init".`,
    );
  const parsed = parseEnrolment(text.value);
  return parsed.ok
    ? { ok: true, value: parsed.value }
    : refuse('no-organisation', `${paths.orgJson}: ${parsed.message}`);
}

export function readManifest(paths: OrganisationPaths): AdminResult<Manifest> {
  const text = readText(paths.manifestJson);
  if (!text.ok) return text;
  const parsed = parseManifest(text.value);
  return parsed.ok
    ? { ok: true, value: parsed.value }
    : refuse('invalid-manifest', ...parsed.problems.map((problem) => sentenceOf('manifest.json', problem)));
}

export function writeManifest(paths: OrganisationPaths, manifest: Manifest): AdminResult<void> {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  // What the parser would refuse on the laptop is never written in the first place.
  const parsed = parseManifest(text);
  if (!parsed.ok)
    return refuse('invalid-manifest', ...parsed.problems.map((problem) => sentenceOf('manifest.json', problem)));
  return writeText(paths.manifestJson, text);
}

export function writeText(path: string, text: string, mode = 0o644): AdminResult<void> {
  try {
    writeFileAtomically(path, text, mode);
    return { ok: true, value: undefined };
  } catch (error) {
    return refuse(
      'unwritable',
      `${path} could not be written (${messageOf(error)}). Check the folder's permissions and free space.`,
    );
  }
}

/** The file's text. Not UTF-8, or not there, is a refusal that names it. */
export function readText(path: string): AdminResult<string> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
    return { ok: true, value: text };
  } catch (error) {
    return refuse('unreadable', `${path} could not be read as UTF-8 text (${messageOf(error)}).`);
  }
}
