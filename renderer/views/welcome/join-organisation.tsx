import { type ChangeEvent, type DragEvent, type FormEvent, useEffect, useId, useRef, useState } from 'react';
import type { CallAnswer, EventPayload } from '../../../preload/contract.ts';
import { explain, useLink } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { formatFingerprint, formatNumber } from '../../words/format.ts';
import './join-organisation.css';

type Preview = Extract<CallAnswer<'previewEnrolment'>, { ok: true }>;

/** The contract's own bound: an enrolment is a few thousand characters. */
const maxSource = 200_000;

/** Reads an enrolment, shows whose it is and its keys, and joins only then. Or makes the demo organisation. */
export function JoinOrganisation({ onJoined }: { onJoined: () => void }) {
  const { bridge } = useLink();
  const [source, setSource] = useState('');
  const [preview, setPreview] = useState<Preview>();
  const [busy, setBusy] = useState<'reading' | 'joining' | 'demo'>();
  const [error, setError] = useState<string>();
  const [setup, setSetup] = useState<EventPayload<'setup'>>();
  const [over, setOver] = useState(false);
  const fieldId = useId();
  const file = useRef<HTMLInputElement>(null);
  const { welcome } = words;

  useEffect(() => bridge.on('setup', setSetup), [bridge]);

  const attempt = async (kind: NonNullable<typeof busy>, task: () => Promise<string | undefined>): Promise<void> => {
    setBusy(kind);
    setError(undefined);
    try {
      setError(await task());
    } catch (failure) {
      setError(explain(failure));
    }
    setBusy(undefined);
  };
  const read = (text: string): Promise<void> =>
    attempt('reading', async () => {
      if (text.length > maxSource) return welcome.tooLong;
      const result = await bridge.call('previewEnrolment', { source: text.trim() });
      if (!result.ok) return result.message;
      setPreview(result);
      return undefined;
    });
  const readFile = async (chosen: File | undefined): Promise<void> => {
    if (!chosen) return;
    if (chosen.size > maxSource) setError(welcome.tooLong);
    else await read(await chosen.text());
  };
  const join = (orgJson: string): Promise<void> =>
    attempt('joining', async () => {
      const result = await bridge.call('enrol', { orgJson });
      if (!result.ok) return result.message;
      onJoined();
      return undefined;
    });
  const demo = (): Promise<void> =>
    attempt('demo', async () => {
      setSetup(undefined);
      const result = await bridge.call('enrolDemo', {});
      if (!result.ok) return result.message;
      onJoined();
      return undefined;
    });

  const failure = error !== undefined && (
    <p className="join-error small" role="alert">
      <Icon name="warning" />
      <span>{error}</span>
    </p>
  );

  if (busy === 'demo') return <DemoProgress setup={setup} />;
  if (preview) {
    return (
      <section className="card join-preview" aria-labelledby={fieldId}>
        <h2 id={fieldId}>
          <Sentence text={welcome.isThis} parts={{ organisation: <VisibleText text={preview.name} /> }} />
        </h2>
        <p className="muted">{welcome.compare}</p>
        <dl>
          <div>
            <dt>{welcome.repository}</dt>
            <dd className="mono">
              <VisibleText text={preview.repository} />
            </dd>
          </div>
          <div>
            <dt>{welcome.fingerprints(preview.fingerprints.length)}</dt>
            <dd>
              {preview.fingerprints.map((print) => (
                <code key={print} className="join-print">
                  {formatFingerprint(print)}
                </code>
              ))}
            </dd>
          </div>
        </dl>
        {failure}
        <div className="welcome-buttons">
          <button
            type="button"
            className="button quiet"
            onClick={() => setPreview(undefined)}
            disabled={busy === 'joining'}
          >
            {words.actions.back}
          </button>
          <button
            type="button"
            className="button primary"
            onClick={() => join(preview.orgJson)}
            disabled={busy === 'joining'}
          >
            {busy === 'joining' ? (
              welcome.joining
            ) : (
              <span>
                <Sentence text={welcome.join} parts={{ organisation: <VisibleText text={preview.name} /> }} />
              </span>
            )}
          </button>
        </div>
      </section>
    );
  }

  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    void readFile(event.dataTransfer.files[0]);
  };
  return (
    <div className="join">
      <form
        className={over ? 'card join-card over' : 'card join-card'}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (source.trim() !== '') void read(source);
        }}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <h2>{welcome.haveFile}</h2>
        <p className="muted small">{welcome.haveFileDetail}</p>
        <div className="join-line">
          <button type="button" className="button" onClick={() => file.current?.click()} disabled={busy !== undefined}>
            <Icon name="file" />
            {welcome.choose}
          </button>
          <span className="small faint">{welcome.orDrop}</span>
          <input
            ref={file}
            type="file"
            accept=".json,application/json"
            className="unseen"
            tabIndex={-1}
            aria-label={welcome.choose}
            onChange={(event: ChangeEvent<HTMLInputElement>) => {
              void readFile(event.target.files?.[0]);
              event.target.value = '';
            }}
          />
        </div>
        <label htmlFor={fieldId} className="small join-label">
          {welcome.paste}
        </label>
        <div className="join-line">
          <input
            id={fieldId}
            className="input"
            value={source}
            autoComplete="off"
            spellCheck={false}
            placeholder={welcome.pastePlaceholder}
            onChange={(event) => setSource(event.target.value)}
          />
          <button type="submit" className="button primary" disabled={busy !== undefined || source.trim() === ''}>
            {busy === 'reading' ? welcome.reading : welcome.look}
          </button>
        </div>
        {failure}
      </form>
      <section className="card join-card join-demo" aria-labelledby={`${fieldId}-demo`}>
        <h2 id={`${fieldId}-demo`}>{welcome.demo}</h2>
        <p className="muted small">{welcome.demoDetail}</p>
        <div className="join-line">
          <button type="button" className="button" onClick={demo} disabled={busy !== undefined}>
            <Icon name="play" />
            {welcome.tryDemo}
          </button>
        </div>
      </section>
    </div>
  );
}

function DemoProgress({ setup }: { setup: EventPayload<'setup'> | undefined }) {
  const { welcome } = words;
  const total = Math.max(1, setup?.total ?? 1);
  return (
    <section className="card join-preview" aria-live="polite">
      <h2>{welcome.making}</h2>
      <p className="muted">{setup ? <VisibleText text={setup.step} /> : welcome.makingDetail}</p>
      <progress className="join-progress" value={setup?.done ?? 0} max={total} aria-label={welcome.making} />
      {setup && <p className="tiny faint numbers">{welcome.of(formatNumber(setup.done), formatNumber(setup.total))}</p>}
    </section>
  );
}
