import { useEffect, useState } from 'react';
import { words } from '../words/current.ts';
import { Icon } from './icon.tsx';

/** Copies and says that it did; where the system refuses, says so instead of pretending. */
export function CopyButton({ text, label, slim = false }: { text: string; label: string; slim?: boolean }) {
  const [state, setState] = useState<'ready' | 'copied' | 'failed'>('ready');
  useEffect(() => {
    if (state === 'ready') return;
    const timer = setTimeout(() => setState('ready'), 2_500);
    return () => clearTimeout(timer);
  }, [state]);

  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
    } catch {
      setState('failed');
    }
  };
  const said = state === 'copied' ? words.copy.done : state === 'failed' ? words.copy.failed : undefined;
  return (
    <button
      type="button"
      className={slim ? 'icon-button' : 'button slim'}
      aria-label={said ?? label}
      title={slim ? (said ?? label) : undefined}
      onClick={copy}
    >
      <Icon name={state === 'copied' ? 'check' : state === 'failed' ? 'warning' : 'copy'} />
      {!slim && <span>{said ?? words.copy.copy}</span>}
      <span className="unseen" role="status">
        {said}
      </span>
    </button>
  );
}
