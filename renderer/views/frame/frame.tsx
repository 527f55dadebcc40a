import { type ReactNode, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import { type Live, useConnection, useLink, useLive } from '../../live.ts';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { Ago } from '../../parts/live-time.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Sign, signState } from '../../parts/sign.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { href, type Page } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatNumber } from '../../words/format.ts';
import { ApprovalPanel } from '../approval/approval-panel.tsx';
import { Banners } from './banners.tsx';
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
        <Foot status={status.value} />
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

function Foot({ status }: { status: StatusView | undefined }) {
  if (!status?.organisation) return <div className="frame-foot" />;
  const { policy } = status;
  return (
    <div className="frame-foot">
      <p className="frame-organisation">
        <Icon name="shield" />
        <VisibleText text={status.organisation} />
      </p>
      {policy ? (
        <>
          <p>{words.frame.policy(formatNumber(policy.version))}</p>
          {policy.signers.length > 0 && (
            <p className="frame-signers" title={policy.signers.join('\n')}>
              <Sentence
                text={words.frame.signedBy}
                parts={{ who: <VisibleText text={policy.signers.map(short).join(', ')} /> }}
              />
            </p>
          )}
          {policy.checkedAt !== undefined && (
            <p>
              <Sentence text={words.frame.checked} parts={{ when: <Ago at={policy.checkedAt} /> }} />
            </p>
          )}
        </>
      ) : (
        <p>{words.frame.noPolicy}</p>
      )}
    </div>
  );
}

/** A key id is 64 hex digits; eight tell keys apart, all are in the title. */
function short(signer: string): string {
  return /^[0-9a-f]{40,}$/iu.test(signer) ? signer.slice(0, 8) : signer;
}

/** A link to "#main" would leave the page, whose address is the hash: the focus is moved by hand. */
function skipToMain(): void {
  document.getElementById('main')?.focus();
}
