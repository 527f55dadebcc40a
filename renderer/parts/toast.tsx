import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from 'react';
import { words } from '../words/current.ts';
import { Icon } from './icon.tsx';
import './toast.css';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: 'plain' | 'bad';
  readonly undo?: () => void;
}

const ToastContext = createContext<(toast: Omit<Toast, 'id'>) => void>(() => {});

/** Says what was just done, with a way back where there is one. */
export function useToast(): (toast: Omit<Toast, 'id'>) => void {
  return useContext(ToastContext);
}

/** Long enough to read and reach for Undo; stays while it is pointed at or holds the focus. */
const staysMs = 9_000;

export function ToastRoom({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast>();
  const next = useRef(1);
  const show = useCallback((shown: Omit<Toast, 'id'>) => {
    setToast({ ...shown, id: next.current });
    next.current += 1;
  }, []);
  const close = useCallback(() => setToast(undefined), []);
  return (
    <ToastContext value={show}>
      {children}
      <div className="toast-room" role="status">
        {toast && <ToastView key={toast.id} toast={toast} onClose={close} />}
      </div>
    </ToastContext>
  );
}

function ToastView({ toast, onClose }: { toast: Toast; onClose: () => void }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const leave = (): void => {
      if (box.current?.matches(':hover, :focus-within')) timer = setTimeout(leave, 2_000);
      else onClose();
    };
    let timer = setTimeout(leave, staysMs);
    return () => clearTimeout(timer);
  }, [onClose]);
  return (
    <section ref={box} className={`toast ${toast.tone}`}>
      <Icon name={toast.tone === 'bad' ? 'warning' : 'check'} />
      <span>{toast.text}</span>
      {toast.undo && (
        <button
          type="button"
          className="toast-undo"
          onClick={() => {
            toast.undo?.();
            onClose();
          }}
        >
          {words.actions.undo}
        </button>
      )}
      <button type="button" className="icon-button" aria-label={words.actions.close} onClick={onClose}>
        <Icon name="cross" />
      </button>
    </section>
  );
}
