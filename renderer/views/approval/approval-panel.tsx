import { useEffect, useRef } from 'react';
import { useToast } from '../../parts/toast.tsx';
import { ApprovalCard } from './approval-card.tsx';
import { useQueue } from './use-queue.ts';
import './approval.css';

/** The same question over any page: in the console always, in the app's main window when the person asks to see it. */
export function ApprovalPanel({ onEmpty }: { onEmpty?: () => void }) {
  const queue = useQueue();
  const toast = useToast();
  const dialog = useRef<HTMLDialogElement>(null);
  const { current, notice } = queue;
  const open = current !== undefined;

  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) element.showModal();
    if (!open && element.open) element.close();
  }, [open]);

  const loaded = queue.live.value !== undefined;
  useEffect(() => {
    if (!loaded || open) return;
    if (notice) toast({ text: notice, tone: 'plain' });
    onEmpty?.();
  }, [loaded, open, notice, toast, onEmpty]);

  return (
    <dialog ref={dialog} className="approval-panel" onCancel={(event) => event.preventDefault()}>
      {current && (
        <ApprovalCard
          key={`${current.id} ${current.digest}`}
          question={current}
          position={queue.position}
          count={queue.count}
          notice={notice}
          onAnswer={queue.answer}
        />
      )}
    </dialog>
  );
}
