import type { CallView } from '../../preload/contract.ts';
import { words } from '../words/current.ts';
import { Sentence } from './sentence.tsx';
import { VisibleText } from './visible-text.tsx';

/** "**Claude** used **Read file** in **Files**". */
export function CallSentence({ call }: { call: CallView }) {
  const text =
    call.status === 'done' ? words.call.used : call.status === 'running' ? words.call.uses : words.call.tried;
  return (
    <Sentence
      text={text}
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
