import { useDeferredValue, useMemo, useState } from 'react';
import { useLive } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { PageHead } from '../../parts/page-head.tsx';
import { SearchField } from '../../parts/search-field.tsx';
import { Empty, Skeleton } from '../../parts/states.tsx';
import { words } from '../../words/current.ts';
import { CallList } from './call-list.tsx';
import { CallStory } from './call-story.tsx';
import { type Filter, useCalls } from './use-calls.ts';
import { VerifyRecord } from './verify-record.tsx';
import './activity.css';

const dayMs = 86_400_000;
const spans = { any: undefined, today: 0, week: 6, month: 29 } as const;
type Span = keyof typeof spans;
type Outcome = NonNullable<Filter['outcome']> | '';

/** The whole record: every call, live, and each one's story. */
export function ActivityPage({ target }: { target: string | undefined }) {
  const [text, setText] = useState('');
  const [app, setApp] = useState('');
  const [alias, setAlias] = useState('');
  const [outcome, setOutcome] = useState<Outcome>('');
  const [span, setSpan] = useState<Span>('any');
  const [held, setHeld] = useState(false);
  const apps = useLive('apps', {}, ['apps']);
  const tools = useLive('tools', {}, ['tools']);
  const wanted = useDeferredValue(text.trim());

  const filter = useMemo<Filter>(
    () => ({
      ...(wanted && { text: wanted }),
      ...(app && { app }),
      ...(alias && { alias }),
      ...(outcome && { outcome }),
      ...(spans[span] !== undefined && { since: midnight() - spans[span] * dayMs }),
    }),
    [wanted, app, alias, outcome, span],
  );
  const calls = useCalls(filter, held);
  const filtered = Object.keys(filter).length > 0;
  const clear = (): void => {
    setText('');
    setApp('');
    setAlias('');
    setOutcome('');
    setSpan('any');
  };

  const { activity } = words;
  return (
    <>
      <PageHead title={activity.title} side={<VerifyRecord />}>
        {activity.about}
      </PageHead>
      <search className="activity-filters">
        <SearchField value={text} onChange={setText} label={activity.search} />
        <Choice
          label={activity.app}
          value={app}
          onChange={setApp}
          all={activity.allApps}
          options={(apps.value ?? []).map(({ name }) => [name, name])}
        />
        <Choice
          label={activity.tools}
          value={alias}
          onChange={setAlias}
          all={activity.allTools}
          options={(tools.value ?? []).map((set) => [set.alias, set.title])}
        />
        <Choice
          label={activity.outcome}
          value={outcome}
          onChange={(value) => setOutcome(value as Outcome)}
          all={activity.allOutcomes}
          options={Object.entries(activity.outcomes)}
        />
        <Choice
          label={activity.when}
          value={span === 'any' ? '' : span}
          onChange={(value) => setSpan((value || 'any') as Span)}
          all={activity.anyTime}
          options={Object.entries(activity.spans)}
        />
      </search>
      <div className={target === undefined ? 'activity-split' : 'activity-split opened'}>
        <section className="card activity-list" aria-label={activity.list}>
          {calls.error !== undefined && (
            <p className="activity-error small" role="alert">
              <Icon name="warning" />
              <span>{calls.error}</span>
              <button type="button" className="button slim" onClick={calls.reload}>
                {words.actions.tryAgain}
              </button>
            </p>
          )}
          {calls.rows === undefined ? (
            calls.error === undefined && <Skeleton rows={9} />
          ) : calls.rows.length === 0 ? (
            <Empty
              title={filtered ? activity.noMatch : activity.none}
              action={
                filtered && (
                  <button type="button" className="button" onClick={clear}>
                    <Icon name="cross" />
                    {activity.clear}
                  </button>
                )
              }
            >
              {filtered ? activity.noMatchDetail : activity.noneDetail}
            </Empty>
          ) : (
            <CallList key={JSON.stringify(filter)} rows={calls.rows} calls={calls} selected={target} onHeld={setHeld} />
          )}
        </section>
        {target !== undefined && <CallStory key={target} callId={target} />}
      </div>
    </>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly all: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, all, options, onChange }: ChoiceProps) {
  return (
    <span className="select-box">
      <select
        className={value ? 'select chosen' : 'select'}
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      >
        <option value="">{all}</option>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
      <Icon name="down" />
    </span>
  );
}

function midnight(): number {
  return new Date().setHours(0, 0, 0, 0);
}
