import type { HomeView, StatusView } from '../../../preload/contract.ts';
import { useLive, useNow } from '../../live.ts';
import { CallSentence } from '../../parts/call-sentence.tsx';
import { Chip, OutcomeChip } from '../../parts/chips.tsx';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { PageHead } from '../../parts/page-head.tsx';
import { Sign, signState } from '../../parts/sign.tsx';
import { Empty, Loaded } from '../../parts/states.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { href } from '../../route.ts';
import { words } from '../../words/current.ts';
import { formatMoment, formatWhen } from '../../words/format.ts';
import { HourChart } from './hour-chart.tsx';
import { PauseMenu } from './pause-menu.tsx';
import './home.css';

/** One look: is all well, what happened today, what needs me. */
export function HomePage({ status }: { status: StatusView | undefined }) {
  const home = useLive('home', {}, ['status', 'tools', 'apps', 'activity', 'questions']);
  return (
    <>
      {home.value === undefined && <h1 className="unseen">{words.pages.home}</h1>}
      <Loaded live={home} rows={3} tall>
        {(value) => (
          <>
            <PageHead
              title={headline(value)}
              lead={
                <span className={`home-sign ${signState(value.status)}`}>
                  <Sign state={signState(value.status)} size={30} />
                </span>
              }
              side={<PauseMenu paused={(status ?? value.status).state === 'paused'} />}
            >
              {today(value)}
            </PageHead>
            <Needs needs={unsaid(value)} />
            <section className="card home-chart" aria-labelledby="calls-today">
              <div className="card-head">
                <h2 id="calls-today">{words.home.callsToday}</h2>
                {value.today.allowed > 0 && <Chip tone="good">{words.home.allowed(value.today.allowed)}</Chip>}
                {value.today.refused > 0 && <Chip tone="bad">{words.home.refused(value.today.refused)}</Chip>}
              </div>
              <HourChart hours={value.hours} />
            </section>
            <Recent home={value} />
          </>
        )}
      </Loaded>
    </>
  );
}

function headline({ status, apps, tools }: HomeView): string {
  const { home } = words;
  switch (status.state) {
    case 'asking':
      return home.asking(status.waiting);
    case 'paused':
      return home.paused;
    case 'problem':
      return signState(status) === 'care' ? home.problem : home.stopped;
    case 'calm':
    case 'not-enrolled':
      return apps === 0 || tools === 0 ? home.noApps(tools) : home.quiet(apps, tools);
    default:
      return status.state satisfies never;
  }
}

function today({ status, today: { allowed, refused } }: HomeView): string {
  const calls = words.home.today(allowed + refused, refused);
  return status.organisation ? `${words.home.approvedBy(status.organisation)} ${calls}` : calls;
}

const needIcons: Readonly<Record<HomeView['needs'][number]['kind'], IconName>> = {
  changed: 'pencil',
  backend: 'warning',
  waiting: 'hand',
  problem: 'warning',
};

/** What a banner over the page already says is not said twice. */
function unsaid({ needs, status }: HomeView): HomeView['needs'] {
  return needs.filter(({ kind }) => kind !== 'waiting' && !(kind === 'problem' && status.problem));
}

function Needs({ needs }: { needs: HomeView['needs'] }) {
  if (needs.length === 0) return null;
  return (
    <section className="card home-needs" aria-labelledby="needs-you">
      <div className="card-head">
        <h2 id="needs-you">{words.home.needsYou}</h2>
      </div>
      <ul>
        {needs.map((need) => (
          <li key={`${need.kind} ${need.title} ${need.target ?? ''}`}>
            <span className={`home-need-icon ${need.kind}`}>
              <Icon name={needIcons[need.kind]} />
            </span>
            <div>
              <h3>
                <VisibleText text={need.title} />
              </h3>
              <p className="small muted">
                <VisibleText text={need.detail} />
              </p>
            </div>
            <a className="button" href={needHref(need)}>
              {words.home.needActions[need.kind]}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function needHref({ page, target }: HomeView['needs'][number]): string {
  return `#/${page.replace(/^[#/]+/u, '')}${target === undefined ? '' : `/${encodeURIComponent(target)}`}`;
}

function Recent({ home }: { home: HomeView }) {
  const now = useNow(60_000);
  return (
    <section className="card home-recent" aria-labelledby="just-now">
      <div className="card-head">
        <h2 id="just-now">{words.home.justNow}</h2>
        <a className="link small" href={href('activity')}>
          {words.home.allActivity} <Icon name="forward" flips />
        </a>
      </div>
      {home.recent.length === 0 ? (
        <Empty
          title={words.home.nothingYet}
          action={
            home.apps === 0 && (
              <a className="button primary" href={href('apps', 'add')}>
                <Icon name="plus" />
                {words.apps.add}
              </a>
            )
          }
        >
          {home.apps === 0 ? words.home.nothingNoApps : words.home.nothingDetail}
        </Empty>
      ) : (
        <ul>
          {home.recent.map((call) => (
            <li key={call.callId}>
              <a href={href('activity', call.callId)}>
                <time className="numbers" dateTime={new Date(call.at).toISOString()} title={formatMoment(call.at)}>
                  {formatWhen(call.at, now)}
                </time>
                <span className="home-sentence">
                  <CallSentence call={call} />
                </span>
                <OutcomeChip call={call} />
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
