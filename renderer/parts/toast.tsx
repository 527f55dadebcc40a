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
  return (
    <ToastContext value={show}>
      {children}
      <div className="toast-room" role="status">
        {toast && <ToastView key={toast.id} toast={toast} onClose={() => setToast(undefined)} />}
      </div>
    </ToastContext>
  );
}

function ToastView({ toast, onClose }: { toast: Toast; onClose: () => void }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(onClose, staysMs);
    return () => clearTimeout(timer);
  }, [held, onClose]);
  return (
    <section
      className={`toast ${toast.tone}`}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
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
