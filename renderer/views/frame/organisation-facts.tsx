import { type ReactNode, useState } from 'react';
import type { StatusView } from '../../../preload/contract.ts';
import { explain, type Live, useLink, useNow } from '../../live.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Ago } from '../../parts/live-time.tsx';
import { Sentence } from '../../parts/sentence.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import { formatFingerprint, formatMoment, formatNumber } from '../../words/format.ts';

interface Props {
  readonly status: Live<StatusView>;
  readonly organisation: string;
  readonly onLeave: () => void;
}

/** What a person reads out to IT: which policy, signed with which keys, how fresh, and where AI apps connect. */
export function OrganisationFacts({ status, organisation, onLeave }: Props) {
  const now = useNow(20_000);
  const { policy, contact, endpoint } = status.value ?? {};
  const text = words.organisation;
  return (
    <>
      <div className="organisation-head">
        <Icon name="shield" />
        <div>
          <h2 id="organisation-title">
            <VisibleText text={organisation} />
          </h2>
          <p className="tiny muted">
            {text.about}{' '}
            {contact !== undefined && (
              <Sentence text={text.contact} parts={{ contact: <VisibleText text={contact} /> }} />
            )}
          </p>
        </div>
      </div>
      <dl>
        {policy ? (
          <>
            <Fact name={text.policy}>
              <span className="numbers">{formatNumber(policy.version)}</span>
              <code title={policy.digest}>{policy.digest.slice(0, 10)}</code>
              <CopyButton text={policy.digest} label={text.copyDigest} slim />
            </Fact>
            {policy.signers.length > 0 && (
              <Fact name={text.signedBy}>
                {policy.signers.map((key) => (
                  <span key={key} className="organisation-key">
                    <code>
                      <VisibleText text={formatFingerprint(key)} />
                    </code>
                    <CopyButton text={key} label={text.copyKey(key.slice(0, 8))} slim />
                  </span>
                ))}
              </Fact>
            )}
            <Fact name={text.checked}>
              {policy.checkedAt === undefined ? text.never : <Ago at={policy.checkedAt} />}
            </Fact>
            <Fact name={text.validUntil}>
              {policy.expires > now ? (
                <span className="numbers">{formatMoment(policy.expires)}</span>
              ) : (
                <span className="organisation-expired numbers">{text.expired(formatMoment(policy.expires))}</span>
              )}
            </Fact>
          </>
        ) : (
          <Fact name={text.policy}>{words.frame.noPolicy}</Fact>
        )}
        {endpoint !== undefined && (
          <Fact name={text.endpoint}>
            <code>{endpoint}</code>
            <CopyButton text={endpoint} label={text.copyEndpoint} slim />
          </Fact>
        )}
      </dl>
      <PolicyCheck status={status} />
      <div className="organisation-end">
        <button type="button" className="button quiet slim organisation-leave" onClick={onLeave}>
          {text.leave}
        </button>
      </div>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type Found = { readonly tone: 'good' | 'bad'; readonly text: string };

/** Asks for a newer policy now, and says what came of it. */
function PolicyCheck({ status }: { status: Live<StatusView> }) {
  const { bridge } = useLink();
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<Found>();
  const text = words.organisation;

  const check = async (): Promise<void> => {
    if (busy) return;
    setBusy(true);
    setFound(undefined);
    const before = status.value?.policy?.version;
    try {
      const result = await bridge.call('refreshPolicy', {});
      const version = (await bridge.call('status', {})).policy?.version;
      if (!result.ok) setFound({ tone: 'bad', text: text.notChecked(result.message) });
      else if (version === undefined) setFound({ tone: 'bad', text: words.frame.noPolicy });
      else {
        const say = version === before ? text.newest : text.newer;
        setFound({ tone: 'good', text: say(formatNumber(version)) });
      }
    } catch (error) {
      setFound({ tone: 'bad', text: text.notChecked(explain(error)) });
    }
    setBusy(false);
    status.reload();
  };

  return (
    <div className="organisation-check">
      {/* Not disabled while it runs: the focus would be lost. */}
      <button type="button" className="button" aria-disabled={busy} onClick={() => void check()}>
        <Icon name="refresh" />
        {busy ? text.checking : text.check}
      </button>
      <p className={`small ${found?.tone ?? ''}`} role="status">
        {found && <Icon name={found.tone === 'good' ? 'check' : 'warning'} />}
        {found && (
          <span>
            <VisibleText text={found.text} />
          </span>
        )}
      </p>
    </div>
  );
}
