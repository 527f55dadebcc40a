import type { OfferView, ToolActionView } from '../../../preload/contract.ts';
import { Chip, RiskChip } from '../../parts/chips.tsx';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { ChangeView } from './change-view.tsx';

const effectIcons: Readonly<Record<OfferView['effect'], IconName>> = {
  allow: 'check',
  ask: 'hand',
  depends: 'info',
  deny: 'no',
  hidden: 'no',
};

/** One tool: what it does, what it may touch, and what the policy says of it. */
export function ActionRow({ action }: { action: ToolActionView }) {
  return <OfferRow offer={action} risk={action.risk} effects={words.tools.effects} heading="h3" />;
}

interface OfferProps {
  readonly offer: OfferView;
  /** Of a tool; prompts and what can be read change nothing. */
  readonly risk?: ToolActionView['risk'];
  readonly effects: Readonly<Record<OfferView['effect'], string>>;
  readonly heading: 'h3' | 'h4';
  /** The address itself, where the title is another. */
  readonly address?: string | undefined;
}

/** One thing of a tool set, with what was changed where it is held back. */
export function OfferRow({ offer: action, risk, effects, heading: Heading, address }: OfferProps) {
  const { tools } = words;
  const held = action.state === 'approved' || action.state === 'unseen' ? undefined : action.state;
  // Where no rule gives a reason of its own, "You may use this" would only repeat "Runs by itself".
  const said = action.effect !== 'allow' || action.rules.some(({ reason }) => reason !== undefined);
  return (
    <li className={`action ${action.state}`}>
      <div className="action-words">
        <Heading>
          <VisibleText text={action.title || action.name} />
          {risk && <RiskChip risk={risk} />}
          {held && (
            <Chip tone="care" icon="warning">
              {tools.actionStates[held]}
            </Chip>
          )}
        </Heading>
        {address && (
          <p className="mono faint action-address">
            <VisibleText text={address} />
          </p>
        )}
        {action.description && (
          <p className="small muted action-description">
            <VisibleText text={action.description} />
          </p>
        )}
      </div>
      <div className={`action-effect ${held ? 'deny' : action.effect}`}>
        <p>
          <Icon name={held ? 'no' : effectIcons[action.effect]} />
          {held ? tools.heldBackNow : effects[action.effect]}
        </p>
        {!held && said && action.reason && (
          <p className="tiny faint" title={action.rules.map((rule) => rule.id).join('\n')}>
            <VisibleText text={action.reason} />
          </p>
        )}
      </div>
      {held && <p className="action-why small">{tools.stateDetails[held]}</p>}
      {action.changes.length > 0 && (
        <div className="action-changes">
          {action.changes.map((change) => (
            <ChangeView key={change.path} change={change} />
          ))}
        </div>
      )}
    </li>
  );
}
