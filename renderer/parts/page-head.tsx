import { type ReactNode, useEffect } from 'react';
import './page-head.css';

/** A page's first line in words. Also the window's title, so that a screen reader hears where it is. */
export function PageHead({
  title,
  children,
  side,
  lead,
}: {
  title: string;
  children?: ReactNode;
  side?: ReactNode;
  lead?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Gatehouse`;
  }, [title]);
  return (
    <header className="page-head">
      {lead}
      <div className="page-head-words">
        <h1>{title}</h1>
        {children && <p className="muted">{children}</p>}
      </div>
      {side && <div className="page-head-side">{side}</div>}
    </header>
  );
}
