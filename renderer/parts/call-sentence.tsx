import type { CallView } from '../../preload/contract.ts';
import { words } from '../words/current.ts';
import { Sentence } from './sentence.tsx';
import { VisibleText } from './visible-text.tsx';

/** "**Claude** used **Read file** in **Files**", "**Claude** read from **Files**: **file:///…**". */
export function CallSentence({ call }: { call: CallView }) {
  return (
    <Sentence
      text={words.call[call.act][call.status]}
      parts={{
        app: (
          <b>
            <VisibleText text={call.app} />
          </b>
        ),
        tool: (
          <b>
            <VisibleText text={call.toolTitle || call.tool} />
          </b>
        ),
        set: (
          <b>
            <VisibleText text={call.serverTitle || call.alias} />
          </b>
        ),
      }}
    />
  );
}
