import { useEffect, useRef, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import { type Live, useLive } from '../../live.ts';
import { AppMark } from '../../parts/app-mark.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Sign } from '../../parts/sign.tsx';
import { Loaded } from '../../parts/states.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { go } from '../../route.ts';
import { words } from '../../words/current.ts';
import { ConnectApp } from '../apps/connect-app.tsx';
import { Banners } from '../frame/banners.tsx';
import { JoinOrganisation } from './join-organisation.tsx';
import './welcome.css';

const steps = ['organisation', 'tools', 'connect'] as const;

/** The first run, in three steps. Whoever is already enrolled begins at the second. */
export function WelcomePage({ status }: { status: Live<StatusView> }) {
  const enrolled = status.value !== undefined && status.value.state !== 'not-enrolled';
  const [reached, setReached] = useState(0);
  const step = enrolled ? Math.max(1, reached) : 0;
  const heading = useRef<HTMLHeadingElement>(null);
  const { welcome } = words;

  useEffect(() => {
    document.title = `${welcome.steps[steps[step] ?? 'organisation']} · Gatehouse`;
    if (step > 0) heading.current?.focus();
  }, [step]);

  return (
    <div className="welcome">
      <header className="welcome-side">
        <p className="frame-brand">
          <Sign state="calm" size={24} />
          Gatehouse
        </p>
        <ol className="welcome-steps" aria-label={welcome.progress}>
          {steps.map((name, index) => (
            <li key={name} className={index < step ? 'done' : ''} aria-current={index === step ? 'step' : undefined}>
              <span aria-hidden="true">{index < step ? <Icon name="check" /> : index + 1}</span>
              {welcome.steps[name]}
            </li>
          ))}
        </ol>
        <p className="welcome-promise tiny">{welcome.promise}</p>
      </header>
      <main id="main" className="welcome-main">
        <div className="banners">
          <Banners status={status} onAnswer={undefined} />
        </div>
        <div className="welcome-step" key={step}>
          {step === 0 && (
            <>
              <h1 ref={heading} tabIndex={-1}>
                {welcome.title}
              </h1>
              <p className="welcome-lead">{welcome.lead}</p>
              <JoinOrganisation onJoined={status.reload} />
            </>
          )}
          {step === 1 && (
            <>
              <h1 ref={heading} tabIndex={-1}>
                <Sentence
                  text={welcome.joined}
                  parts={{ organisation: <VisibleText text={status.value?.organisation ?? ''} /> }}
                />
              </h1>
              <p className="welcome-lead">{welcome.toolsLead}</p>
              <ToolsOverview />
              <div className="welcome-buttons">
                <button type="button" className="button primary" onClick={() => setReached(2)}>
                  {welcome.toConnect}
                </button>
              </div>
            </>
          )}
          {step === 2 && (
            <>
              <h1 ref={heading} tabIndex={-1}>
                {welcome.connectTitle}
              </h1>
              <p className="welcome-lead">{welcome.connectLead}</p>
              <ConnectStep />
            </>
          )}
        </div>
      </main>
    </div>
  );
}

function ToolsOverview() {
  const tools = useLive('tools', {}, ['tools', 'status']);
  return (
    <div className="card">
      <Loaded live={tools}>
        {(sets) =>
          sets.length === 0 ? (
            <p className="welcome-none muted">{words.welcome.noTools}</p>
          ) : (
            <ul className="welcome-tools">
              {sets.map((set) => (
                <li key={set.alias}>
                  <AppMark name={set.title} quiet />
                  <div>
                    <h2>
                      <VisibleText text={set.title} />
                    </h2>
                    <p className="small muted">
                      <VisibleText text={set.description} />
                    </p>
                  </div>
                  <span className="tiny faint numbers">{words.tools.actions(set.actions.length)}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </div>
  );
}

function ConnectStep() {
  const apps = useLive('apps', {}, ['apps']);
  return (
    <div className="card">
      <ConnectApp known={apps.value ?? []} cancel={words.welcome.later} onDone={() => go('home')} />
    </div>
  );
}
