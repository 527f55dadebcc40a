import { useState } from 'react';
import type { CallAnswer } from '../../../preload/contract.ts';
import { explain, useLink } from '../../live.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { words } from '../../words/current.ts';
import { formatNumber } from '../../words/format.ts';

/** Checks the whole chain of the record and says what was found. */
export function VerifyRecord() {
  const { bridge } = useLink();
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<CallAnswer<'verifyRecord'>>();
  const [error, setError] = useState<string>();
  const { verify } = words;

  const run = async (): Promise<void> => {
    setBusy(true);
    setResult(undefined);
    setError(undefined);
    try {
      setResult(await bridge.call('verifyRecord', {}));
    } catch (failure) {
      setError(explain(failure));
    }
    setBusy(false);
  };

  return (
    <div className="verify">
      <button type="button" className="button" onClick={run} disabled={busy}>
        <Icon name="shield" />
        {busy ? verify.running : verify.run}
      </button>
      <div role="status">
        {result?.ok && (
          <p className="verify-result good small">
            <Icon name="check" />
            {verify.intact(formatNumber(result.rows))}
            {result.head && (
              <span className="verify-head">
                <code title={result.head}>{result.head.slice(0, 10)}</code>
                <CopyButton text={result.head} label={verify.copyHead} slim />
              </span>
            )}
          </p>
        )}
        {result && !result.ok && (
          <p className="verify-result bad small">
            <Icon name="warning" />
            {verify.broken(result.seq === undefined ? undefined : formatNumber(result.seq), result.problem ?? '')}
          </p>
        )}
        {error && (
          <p className="verify-result bad small">
            <Icon name="warning" />
            {error}
          </p>
        )}
      </div>
    </div>
  );
}
