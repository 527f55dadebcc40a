import type { DecisionRequest } from './decide.ts';
import { own, quote } from './problems.ts';

/** How reasons speak of what was asked for. */
export interface Phrases {
  /** "You may see …" */
  readonly name: string;
  /** "You may …" */
  readonly use: string;
  /** "A rule about …", "wants you to confirm …" */
  readonly act: string;
  /** "permission for …" */
  readonly thisAct: string;
  /** "depends on …" */
  readonly detail: string;
}

/** The words for a tool, a prompt or a resource of the server with this title. */
export function phrasesFor(title: string, request: DecisionRequest): Phrases {
  const { kind = 'tool', tool } = request;
  switch (kind) {
    case 'tool':
    case 'prompt': {
      const name = `${kind === 'prompt' ? 'the prompt ' : ''}${quote(tool)} of ${title}`;
      const detail = 'what is asked of it';
      return { name, use: `use ${name}`, act: name, thisAct: `this use of ${name}`, detail };
    }
    case 'resource': {
      const uri = uriOf(request);
      const name = `${uri === undefined ? 'the resources' : quote(uri)} of ${title}`;
      const act = `reading ${name}`;
      return { name, use: `read ${name}`, act, thisAct: act, detail: 'which of them it is' };
    }
    default:
      return kind satisfies never;
  }
}

/** "There …": what is not there, in words that are the same whatever the reason. */
export function missingOf(request: DecisionRequest): string {
  const { kind = 'tool', alias, tool } = request;
  if (kind !== 'resource') return `is no ${kind} ${quote(`${alias}.${tool}`)}`;
  const uri = uriOf(request);
  return uri === undefined ? `are no resources of ${quote(alias)}` : `is no resource ${quote(uri)} of ${quote(alias)}`;
}

function uriOf({ args }: DecisionRequest): string | undefined {
  const uri = args === undefined ? undefined : own(args, 'uri');
  return typeof uri === 'string' ? uri : undefined;
}
