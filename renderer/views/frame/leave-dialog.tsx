import { useEffect, useId, useRef, useState } from 'react';
import { explain, useLink } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { useToast } from '../../parts/toast.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import './leave-dialog.css';

interface Props {
  readonly organisation: string;
  readonly onLeft: () => void;
  readonly onClose: () => void;
}

/** Says what leaving means before it happens. Cancel has the focus; what main refuses is said here, in main's words. */
export function LeaveDialog({ organisation, onLeft, onClose }: Props) {
  const { bridge } = useLink();
  const toast = useToast();
  const dialog = useRef<HTMLDialogElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ readonly code: string; readonly message: string }>();
  const id = useId();
  const { leaving } = words;
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
    cancel.current?.focus();
  }, []);

  const leave = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    setRefused(undefined);
    try {
      const result = await bridge.call('leaveOrganisation', {});
      if (result.ok) {
        toast({ text: leaving.left(organisation), tone: 'plain' });
        onLeft();
        return;
      }
      setRefused(result);
    } catch (error) {
      setRefused({ code: 'failed', message: explain(error) });
    }
    setBusy(false);
    cancel.current?.focus();
  };

  // A managed computer stays: asking again would be answered the same.
  const final = refused?.code === 'managed';
  return (
    <dialog
      ref={dialog}
      className="leave-dialog"
      role="alertdialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-what`}
      onClose={onClose}
    >
      <h2 id={`${id}-title`}>
        <Sentence text={leaving.title} parts={{ organisation: <VisibleText text={organisation} /> }} />
      </h2>
      <ul id={`${id}-what`} className="muted">
        <li>{leaving.tools}</li>
        <li>{leaving.record}</li>
        <li>{leaving.back}</li>
      </ul>
      {refused && (
        <p className="leave-refused small" role="alert">
          <Icon name="warning" />
          <span>
            <VisibleText text={refused.message} />
          </span>
        </p>
      )}
      <div className="leave-buttons">
        <button ref={cancel} type="button" className="button" onClick={() => dialog.current?.close()}>
          {final ? words.actions.close : words.actions.cancel}
        </button>
        {!final && (
          <button type="button" className="button danger" aria-disabled={busy} onClick={() => void leave()}>
            {busy ? leaving.busy : leaving.leave}
          </button>
        )}
      </div>
    </dialog>
  );
}
