import type { ReactNode } from 'react';
import type { Live } from '../live.ts';
import { words } from '../words/current.ts';
import { Icon } from './icon.tsx';
import { Sign, type SignState } from './sign.tsx';
import './states.css';

/** A page or card with nothing in it: says why, and what to do next. */
export function Empty({
  sign = 'calm',
  title,
  children,
  action,
}: {
  sign?: SignState;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="empty">
      <Sign state={sign} size={40} />
      <h2>{title}</h2>
      {children && <p className="muted">{children}</p>}
      {action}
    </div>
  );
}

/** The shape of what is coming. Announced once, drawn calmly. */
export function Skeleton({ rows, tall = false }: { rows: number; tall?: boolean }) {
  return (
    <div className="skeleton" role="status">
      <span className="unseen">{words.states.loading}</span>
      {Array.from({ length: rows }, (_, row) => `row-${row}`).map((key) => (
        <span key={key} className={tall ? 'tall' : ''} aria-hidden="true" />
      ))}
    </div>
  );
}

/** What every asked-for thing goes through: the shape while waiting, the reason when it failed, else the thing. */
export function Loaded<T>({
  live,
  rows = 4,
  tall = false,
  children,
}: {
  live: Live<T>;
  rows?: number;
  tall?: boolean;
  children: (value: T) => ReactNode;
}) {
  if (live.value !== undefined) return <>{children(live.value)}</>;
  if (live.error === undefined) return <Skeleton rows={rows} tall={tall} />;
  return (
    <Empty
      sign="problem"
      title={words.states.failed}
      action={
        <button type="button" className="button" onClick={live.reload}>
          <Icon name="refresh" />
          {words.actions.tryAgain}
        </button>
      }
    >
      {live.error}
    </Empty>
  );
}
