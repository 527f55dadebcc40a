import { Popover } from 'radix-ui';
import { useRef, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import type { Live } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { Ago } from '../../parts/live-time.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { formatNumber } from '../../words/format.ts';
import { LeaveDialog } from './leave-dialog.tsx';
import { OrganisationFacts } from './organisation-facts.tsx';
import './organisation.css';

/** Who governs this computer: said in a few words at the foot of every page, proved one click away. */
export function Organisation({ status }: { status: Live<StatusView> }) {
  const [open, setOpen] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  const { organisation, policy } = status.value ?? {};
  if (!status.value || organisation === undefined) return <div className="frame-foot" />;
  return (
    <div className="frame-foot">
      <Popover.Root open={open} onOpenChange={setOpen}>
        <Popover.Trigger ref={trigger} className="organisation-button">
          <span className="organisation-name">
            <Icon name="shield" />
            <VisibleText text={organisation} />
          </span>
          {policy ? (
            <>
              <span>{words.frame.policy(formatNumber(policy.version))}</span>
              {policy.signers.length > 0 && (
                <span>
                  <Sentence
                    text={words.frame.signedBy}
                    parts={{ who: <VisibleText text={shortSigners(policy.signers)} /> }}
                  />
                </span>
              )}
              {policy.checkedAt !== undefined && (
                <span>
                  <Sentence text={words.frame.checked} parts={{ when: <Ago at={policy.checkedAt} /> }} />
                </span>
              )}
            </>
          ) : (
            <span>{words.frame.noPolicy}</span>
          )}
        </Popover.Trigger>
        <Popover.Content
          className="organisation-sheet"
          aria-labelledby="organisation-title"
          side="top"
          align="start"
          sideOffset={8}
          collisionPadding={12}
          onCloseAutoFocus={(event) => {
            // The question about leaving takes the focus; it gives it back itself.
            if (leaving) event.preventDefault();
          }}
        >
          <OrganisationFacts
            status={status}
            organisation={organisation}
            onLeave={() => {
              setLeaving(true);
              setOpen(false);
            }}
          />
        </Popover.Content>
      </Popover.Root>
      {leaving && (
        <LeaveDialog
          organisation={organisation}
          onLeft={status.reload}
          onClose={() => {
            setLeaving(false);
            trigger.current?.focus();
          }}
        />
      )}
    </div>
  );
}

/** A key id is 64 hex digits; eight tell keys apart at a glance, all of them stand in the sheet. */
function shortSigners(signers: readonly string[]): string {
  const [first = '', ...more] = signers.map((id) => (/^[0-9a-f]{40,}$/iu.test(id) ? id.slice(0, 8) : id));
  return more.length > 1 ? words.frame.signers(first, more.length) : [first, ...more].join(', ');
}
