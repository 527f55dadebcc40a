import { Tabs } from 'radix-ui';
import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import type { AppView } from '../../../preload/contract.ts';
import { explain, useLink, useLive } from '../../live.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { Sign } from '../../parts/sign.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { type Access, configurationFor, configurations } from './configurations.ts';
import './connect-app.css';

interface Issued extends Access {
  readonly app: AppView;
}

/** Names an app, shows its key once with the text to paste, and waits for its first call. */
export function ConnectApp({
  known,
  cancel = words.actions.cancel,
  onDone,
}: {
  known: readonly AppView[];
  cancel?: string;
  onDone: () => void;
}) {
  const [issued, setIssued] = useState<Issued>();
  return issued ? (
    <Connected issued={issued} onDone={onDone} />
  ) : (
    <NameForm known={known} cancel={cancel} onIssued={setIssued} onCancel={onDone} />
  );
}

function NameForm({
  known,
  cancel,
  onIssued,
  onCancel,
}: {
  known: readonly AppView[];
  cancel: string;
  onIssued: (issued: Issued) => void;
  onCancel: () => void;
}) {
  const { bridge } = useLink();
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const fieldId = useId();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
  }, []);
  const taken = known.some((app) => app.name.toLocaleLowerCase() === name.trim().toLocaleLowerCase());

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (name.trim() === '' || busy) return;
    setBusy(true);
    setError(undefined);
    try {
      const result = await bridge.call('issueApp', { name: name.trim() });
      if (result.ok) onIssued(result);
      else setError(result.message);
    } catch (failure) {
      setError(explain(failure));
    }
    setBusy(false);
  };

  const { connect } = words;
  return (
    <form className="connect" onSubmit={submit}>
      <h2>{connect.which}</h2>
      <div className="connect-kinds">
        {configurations
          .filter(({ app }) => app !== '')
          .map(({ id, app }) => (
            <button
              key={id}
              type="button"
              className="connect-kind"
              aria-pressed={name === app}
              onClick={() => setName(app)}
            >
              {app}
            </button>
          ))}
      </div>
      <label htmlFor={fieldId} className="connect-label">
        {connect.name}
      </label>
      <div className="connect-line">
        <input
          ref={field}
          id={fieldId}
          className="input"
          value={name}
          maxLength={64}
          autoComplete="off"
          spellCheck={false}
          placeholder={connect.placeholder}
          aria-describedby={`${fieldId}-note`}
          aria-invalid={error !== undefined}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={busy || name.trim() === ''}>
          {busy ? connect.making : connect.make}
        </button>
        <button type="button" className="button quiet" onClick={onCancel}>
          {cancel}
        </button>
      </div>
      <p
        id={`${fieldId}-note`}
        className={`small ${error ? 'connect-error' : 'muted'}`}
        role={error ? 'alert' : undefined}
      >
        {error ?? (taken ? connect.taken(name.trim()) : connect.note)}
      </p>
    </form>
  );
}

function Connected({ issued, onDone }: { issued: Issued; onDone: () => void }) {
  const { app, token, endpoint } = issued;
  const { connect } = words;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus();
  }, []);
  return (
    <div className="connect">
      <div>
        <h2 ref={heading} tabIndex={-1}>
          <Sentence text={connect.ready} parts={{ app: <VisibleText text={app.name} /> }} />
        </h2>
        <p className="muted">{connect.once}</p>
      </div>
      <dl className="connect-facts">
        <div>
          <dt>{connect.address}</dt>
          <dd>
            <span className="mono">{endpoint}</span>
            <CopyButton text={endpoint} label={connect.copyAddress} slim />
          </dd>
        </div>
        <div>
          <dt>{connect.key}</dt>
          <dd>
            <span className="mono">{token}</span>
            <CopyButton text={token} label={connect.copyKey} slim />
          </dd>
        </div>
      </dl>
      <Tabs.Root defaultValue={configurationFor(app.name)} className="connect-tabs">
        <Tabs.List className="connect-list" aria-label={connect.tabs}>
          {configurations.map(({ id, app: name }) => (
            <Tabs.Trigger key={id} value={id} className="connect-tab">
              {name || connect.other}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        {configurations.map((configuration) => {
          const text = configuration.text(issued);
          const command = configuration.command?.(issued);
          const stdio = configuration.stdio?.(issued);
          return (
            <Tabs.Content key={configuration.id} value={configuration.id} className="connect-panel">
              {command && <Snippet title={connect.command} text={command} label={connect.copyCommand} wraps />}
              <Snippet
                title={configuration.id === 'other' ? connect.generic : command ? connect.orFile : connect.file}
                files={configuration.files}
                text={text}
                label={connect.copyText}
              />
              {stdio && <Snippet title={connect.genericStdio} text={stdio} label={connect.copyStdio} />}
              {configuration.id !== 'other' && <p className="tiny faint">{connect.keepRest}</p>}
            </Tabs.Content>
          );
        })}
      </Tabs.Root>
      <FirstCall app={app} />
      <div className="connect-line end">
        <button type="button" className="button primary" onClick={onDone}>
          {words.actions.done}
        </button>
      </div>
    </div>
  );
}

function Snippet({
  title,
  files = [],
  text,
  label,
  wraps = false,
}: {
  title: string;
  files?: readonly string[];
  text: string;
  label: string;
  wraps?: boolean;
}) {
  return (
    <section className="snippet" aria-label={title}>
      <header>
        <div>
          <p className="small">{title}</p>
          {files.map((file) => (
            <code key={file}>{file}</code>
          ))}
        </div>
        <CopyButton text={text} label={label} />
      </header>
      <pre className={wraps ? 'wraps' : ''} {...{ tabIndex: 0 }}>
        {text}
      </pre>
    </section>
  );
}

/** Looks for the app's first sign of life, so that a person sees at once that it worked. */
function FirstCall({ app }: { app: AppView }) {
  const apps = useLive('apps', {}, ['apps', 'activity']);
  const seen = apps.value?.find(({ id }) => id === app.id);
  const called = (seen?.callsToday ?? 0) > 0;
  const connected = called || (seen?.sessions ?? 0) > 0 || seen?.lastUsedAt !== undefined;
  const { connect } = words;
  return (
    <p className={`first-call${connected ? ' seen' : ''}`} role="status">
      <span className={connected ? '' : 'pulse'}>
        <Sign state={connected ? 'calm' : 'asking'} size={22} />
      </span>
      {called ? connect.firstCall(app.name) : connected ? connect.connected(app.name) : connect.waiting(app.name)}
      {connected && <Icon name="check" />}
    </p>
  );
}
