import { type ReactNode, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import { type Live, useConnection, useLink, useLive } from '../../live.ts';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { Sign, signState } from '../../parts/sign.tsx';
import { href, type Page } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatNumber } from '../../words/format.ts';
import { ApprovalPanel } from '../approval/approval-panel.tsx';
import { Banners } from './banners.tsx';
import { Organisation } from './organisation.tsx';
import './frame.css';

const links: readonly { readonly page: 'home' | 'tools' | 'apps' | 'activity'; readonly icon: IconName }[] = [
  { page: 'home', icon: 'home' },
  { page: 'tools', icon: 'tools' },
  { page: 'apps', icon: 'apps' },
  { page: 'activity', icon: 'activity' },
];

/** What surrounds every page: the sign, the way around, who governs this computer, and whatever is wrong. */
export function Frame({ status, page, children }: { status: Live<StatusView>; page: Page; children: ReactNode }) {
  const { place } = useLink();
  const connection = useConnection();
  const home = useLive('home', {}, ['tools', 'apps', 'status']);
  const [answering, setAnswering] = useState(false);
  const counts = { home: undefined, tools: home.value?.tools, apps: home.value?.apps, activity: undefined };
  const state = connection === 'lost' ? 'problem' : signState(status.value);
  return (
    <div className="frame">
      <button type="button" className="skip" onClick={skipToMain}>
        {words.frame.skip}
      </button>
      <header className="frame-side">
        <p className="frame-brand">
          <Sign state={state} size={24} />
          <span>Gatehouse</span>
          <span className="unseen">{words.signs[state]}</span>
        </p>
        <nav aria-label={words.frame.pages}>
          {links.map(({ page: name, icon }) => {
            const count = counts[name];
            return (
              <a key={name} href={href(name)} aria-current={page === name ? 'page' : undefined}>
                <Icon name={icon} />
                <span>{words.pages[name]}</span>
                {count !== undefined && count > 0 && <span className="frame-count numbers">{formatNumber(count)}</span>}
              </a>
            );
          })}
        </nav>
        <Organisation status={status} />
      </header>
      <div className="frame-main">
        <div className="banners">
          <Banners status={status} onAnswer={place === 'desktop' ? () => setAnswering(true) : undefined} />
        </div>
        <main id="main" tabIndex={-1} className={`page ${page}`}>
          {children}
        </main>
      </div>
      {(place === 'console' || answering) && <ApprovalPanel onEmpty={() => setAnswering(false)} />}
    </div>
  );
}

/** A link to "#main" would leave the page, whose address is the hash: the focus is moved by hand. */
function skipToMain(): void {
  document.getElementById('main')?.focus();
}
