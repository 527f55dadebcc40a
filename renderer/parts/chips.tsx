import type { CallView, ToolActionView } from '../../preload/contract.ts';
import { words } from '../words/current.ts';
import { Icon, type IconName } from './icon.tsx';

type Tone = 'plain' | 'good' | 'care' | 'bad';

export function Chip({ tone, icon, children }: { tone: Tone; icon?: IconName; children: React.ReactNode }) {
  return (
    <span className={`chip ${tone}`}>
      {icon && <Icon name={icon} />}
      <span>{children}</span>
    </span>
  );
}

export function RiskChip({ risk, said = words.risk[risk] }: { risk: ToolActionView['risk']; said?: string }) {
  switch (risk) {
    case 'reads':
      return (
        <Chip tone="plain" icon="eye">
          {said}
        </Chip>
      );
    case 'changes':
      return (
        <Chip tone="care" icon="pencil">
          {said}
        </Chip>
      );
    case 'destroys':
      return (
        <Chip tone="bad" icon="bin">
          {said}
        </Chip>
      );
    default:
      return risk satisfies never;
  }
}

/** How a call ended, in two or three words. */
export function OutcomeChip({ call }: { call: CallView }) {
  const { tone, text } = outcomeOf(call);
  return <Chip tone={tone}>{text}</Chip>;
}

export function outcomeOf(call: CallView): { readonly tone: Tone; readonly text: string } {
  const { outcomes, refusals, approvals } = words;
  if (call.status === 'running') return { tone: 'plain', text: outcomes.running };
  if (call.status === 'refused') {
    if (call.refusal === 'not-approved-by-person') {
      return { tone: 'bad', text: lookUp(approvals, call.approval) ?? refusals['not-approved-by-person'] };
    }
    return { tone: 'bad', text: lookUp(refusals, call.refusal) ?? outcomes.refused };
  }
  if (call.outcome === 'ok') {
    const asked = call.approval === 'allow-once' || call.approval === 'allow-session';
    return { tone: asked ? 'plain' : 'good', text: asked ? outcomes.youAllowed : outcomes.allowed };
  }
  // Nothing went wrong: the app calls again with what was asked for.
  if (call.outcome === 'input-required') return { tone: 'plain', text: outcomes['input-required'] };
  if (call.outcome === 'backend-error' && !ofTool(call.act)) return { tone: 'care', text: outcomes.failed };
  return { tone: 'care', text: lookUp(outcomes, call.outcome) ?? outcomes.failed };
}

function ofTool(act: CallView['act']): boolean {
  return act !== 'read' && act !== 'watch' && act !== 'prompt' && act !== 'suggest';
}

/** A word for a code that may be newer than this window. */
export function lookUp(table: Readonly<Record<string, string>>, code: string | undefined): string | undefined {
  return code !== undefined && Object.hasOwn(table, code) ? table[code] : undefined;
}
