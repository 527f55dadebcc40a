import { useEffect, useId, useRef } from 'react';
import type { ToolSetView } from '../../../preload/contract.ts';
import { useLive } from '../../live.ts';
import { CopyButton } from '../../parts/copy-button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Empty, Loaded } from '../../parts/states.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';
import './log-dialog.css';

/** What a tool set's program wrote lately. Colour codes of terminals are dropped, anything else hidden is shown. */
export function LogDialog({ set, onClose }: { set: ToolSetView; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const log = useLive('toolSetLog', { alias: set.alias }, ['tools']);
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby={titleId} onClose={onClose}>
      <header>
        <h2 id={titleId}>{words.tools.logOf(set.title)}</h2>
        {log.value && log.value.length > 0 && <CopyButton text={log.value.join('\n')} label={words.tools.copyLog} />}
        <button
          type="button"
          className="icon-button"
          aria-label={words.actions.close}
          onClick={() => dialog.current?.close()}
        >
          <Icon name="cross" />
        </button>
      </header>
      <Loaded live={log}>
        {(lines) =>
          lines.length === 0 ? (
            <Empty title={words.tools.logEmpty}>{words.tools.logEmptyDetail}</Empty>
          ) : (
            <section className="sheet-body" aria-label={words.tools.logOf(set.title)} {...{ tabIndex: 0 }}>
              <pre>
                <VisibleText text={lines.map(withoutColours).join('\n')} />
              </pre>
            </section>
          )
        }
      </Loaded>
    </dialog>
  );
}

const colourCode = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'gu');

function withoutColours(line: string): string {
  return line.replace(colourCode, '');
}
