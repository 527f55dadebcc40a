import { useId, useState } from 'react';
import type { ToolActionView, ToolSetView } from '../../../preload/contract.ts';
import { explain, useLink } from '../../live.ts';
import { AppMark } from '../../parts/app-mark.tsx';
import { Chip } from '../../parts/chips.tsx';
import { Icon } from '../../parts/icon.tsx';
import { useToast } from '../../parts/toast.tsx';
import { Toggle } from '../../parts/toggle.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { formatClock } from '../../words/format.ts';
import { ActionRow } from './action-row.tsx';
import { byAttention, isHeld, type Shown } from './held.ts';
import { LogDialog } from './log-dialog.tsx';
import { OfferList } from './offer-list.tsx';

interface Props {
  readonly set: ToolSetView;
  readonly shown: Shown;
  readonly opened: boolean;
  readonly onChanged: () => void;
}

export function ToolSetCard({ set, shown, opened, onChanged }: Props) {
  const { bridge } = useLink();
  const toast = useToast();
  const [byHand, setByHand] = useState<boolean>();
  const [wanted, setWanted] = useState<boolean>();
  const [looking, setLooking] = useState(false);
  const [logOpen, setLogOpen] = useState(false);
  const panelId = useId();
  const held = [...set.actions, ...set.prompts, ...set.templates].filter(isHeld);
  const open = byHand ?? (opened || held.length > 0);
  const withdrawn = set.state === 'revoked';

  const attempt = async (task: () => Promise<{ ok: true } | { ok: false; message: string }>): Promise<boolean> => {
    try {
      const result = await task();
      if (!result.ok) toast({ text: result.message, tone: 'bad' });
      return result.ok;
    } catch (error) {
      toast({ text: explain(error), tone: 'bad' });
      return false;
    } finally {
      onChanged();
    }
  };
  const enable = async (enabled: boolean): Promise<void> => {
    setWanted(enabled);
    if (!(await attempt(() => bridge.call('setToolSetEnabled', { alias: set.alias, enabled })))) setWanted(undefined);
  };
  const look = async (): Promise<void> => {
    setLooking(true);
    if (await attempt(() => bridge.call('inspectToolSet', { alias: set.alias }))) {
      toast({ text: words.tools.lookedAt(set.title), tone: 'plain' });
    }
    setLooking(false);
  };

  const enabled = wanted !== undefined && wanted !== set.enabled ? wanted : set.enabled;
  return (
    <article className={`card tool-set${enabled && !withdrawn ? '' : ' off'}`} aria-label={set.title}>
      <header>
        <AppMark name={set.title} quiet />
        <div className="tool-set-words">
          <h2>
            <VisibleText text={set.title} />
            {held.length > 0 && (
              <Chip tone="care" icon="warning">
                {words.tools.heldBack(held.length)}
              </Chip>
            )}
          </h2>
          <p className="muted">
            <VisibleText text={set.description} />
          </p>
          <p className="tool-set-facts tiny">
            <SetState set={set} enabled={enabled} />
            <span>
              {words.tools.owner} <VisibleText text={set.owner} />
            </span>
            {set.version && (
              <span className="numbers">
                {words.tools.version} <VisibleText text={set.version} />
              </span>
            )}
          </p>
        </div>
        <Toggle
          checked={enabled && !withdrawn}
          disabled={withdrawn}
          onChange={enable}
          label={words.tools.offer(set.title)}
        />
      </header>
      {set.lastError && (set.state === 'failed' || set.state === 'backing-off') && (
        <p className="tool-set-error small">
          <Icon name="warning" />
          <span>
            <VisibleText text={set.lastError} />
          </span>
        </p>
      )}
      <footer>
        <button
          type="button"
          className="tool-set-open"
          aria-expanded={open}
          aria-controls={panelId}
          onClick={() => setByHand(!open)}
        >
          <Icon name={open ? 'up' : 'down'} />
          <span>{words.tools.contents(set.actions.length, set.prompts.length, set.templates.length)}</span>
          <EffectSummary actions={set.actions} />
        </button>
        <button type="button" className="button quiet slim" onClick={look} disabled={looking || withdrawn || !enabled}>
          <Icon name="refresh" />
          {looking ? words.tools.looking : words.tools.look}
        </button>
        <button type="button" className="button quiet slim" onClick={() => setLogOpen(true)}>
          <Icon name="log" />
          {words.tools.log}
        </button>
      </footer>
      <div id={panelId} hidden={!open}>
        {open && (
          <>
            {shown.actions.length > 0 && (
              <ul className="action-list">
                {[...shown.actions].sort(byAttention).map((action) => (
                  <ActionRow key={action.name} action={action} />
                ))}
              </ul>
            )}
            <OfferList title={words.tools.prompts} detail={words.tools.promptsDetail} offers={shown.prompts} />
            <OfferList title={words.tools.reads} detail={words.tools.readsDetail} offers={shown.templates} addresses />
          </>
        )}
      </div>
      {logOpen && <LogDialog set={set} onClose={() => setLogOpen(false)} />}
    </article>
  );
}

function SetState({ set, enabled }: { set: ToolSetView; enabled: boolean }) {
  const { states } = words.tools;
  if (set.state === 'revoked') return <span className="set-state bad">{states.revoked}</span>;
  if (!enabled) return <span className="set-state">{states.off}</span>;
  switch (set.state) {
    case 'running':
      return <span className="set-state good">{states.running}</span>;
    case 'starting':
      return <span className="set-state good pulse">{states.starting}</span>;
    case 'idle':
    case 'stopped':
      return <span className="set-state">{states.idle}</span>;
    case 'backing-off':
      return (
        <span className="set-state care">
          {set.retryAt === undefined ? states.resting : states.restingUntil(formatClock(set.retryAt))}
        </span>
      );
    case 'failed':
      return <span className="set-state bad">{states.failed}</span>;
    default:
      return set.state satisfies never;
  }
}

function EffectSummary({ actions }: { actions: readonly ToolActionView[] }) {
  const count = (effects: readonly ToolActionView['effect'][]): number =>
    actions.filter((action) => !isHeld(action) && effects.includes(action.effect)).length;
  const parts = [
    { kind: 'allow', count: count(['allow']), text: words.tools.summary.allow },
    { kind: 'ask', count: count(['ask']), text: words.tools.summary.ask },
    { kind: 'depends', count: count(['depends']), text: words.tools.summary.depends },
    { kind: 'deny', count: count(['deny', 'hidden']), text: words.tools.summary.deny },
    { kind: 'held', count: actions.filter(isHeld).length, text: words.tools.summary.held },
  ].filter((part) => part.count > 0);
  return (
    <span className="effect-summary tiny">
      {parts.map((part) => (
        <span key={part.kind} className={`effect-dot ${part.kind}`}>
          {part.text(part.count)}
        </span>
      ))}
    </span>
  );
}
