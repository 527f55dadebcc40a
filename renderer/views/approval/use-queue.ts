import { useCallback, useEffect, useRef, useState } from 'react';
import type { QuestionView } from '../../../preload/contract.ts';
import { explain, type Live, useLink, useLive } from '../../live.ts';
import { words } from '../../words/current.ts';
import type { Answer } from './approval-card.tsx';

export interface Queue {
  readonly live: Live<QuestionView[]>;
  readonly current: QuestionView | undefined;
  readonly position: number;
  readonly count: number;
  /** What became of the last question, where the person did not answer it here. */
  readonly notice: string | undefined;
  readonly answer: (question: QuestionView, answer: Answer) => Promise<boolean>;
}

/** Pending questions, one at a time, oldest first. The one on show stays until it is answered or gone. */
export function useQueue(): Queue {
  const { bridge } = useLink();
  const live = useLive('questions', {}, ['questions']);
  const [notice, setNotice] = useState<string>();
  const [settled, setSettled] = useState<ReadonlySet<string>>(new Set());
  const [done, setDone] = useState(0);
  const shown = useRef<QuestionView>(undefined);
  const answering = useRef<string>(undefined);

  const pending = (live.value ?? []).filter((question) => !settled.has(question.id));
  const current = pending.find((question) => question.id === shown.current?.id) ?? pending[0];
  const empty = live.value !== undefined && pending.length === 0;

  useEffect(() => {
    const before = shown.current;
    shown.current = current;
    if (!before || before.id === current?.id) return;
    setDone((count) => count + 1);
    if (answering.current !== before.id) {
      setNotice(before.expiresAt <= Date.now() ? words.approval.expired : words.approval.elsewhere);
    }
  }, [current]);
  useEffect(() => {
    if (empty) setDone(0);
  }, [empty]);

  // Main ends a question at its deadline; if its word of it is lost, asking again shortly after finds out.
  const expiresAt = current?.expiresAt;
  useEffect(() => {
    if (expiresAt === undefined) return;
    const timer = setTimeout(live.reload, Math.max(0, expiresAt - Date.now()) + 500);
    return () => clearTimeout(timer);
  }, [expiresAt, live.reload]);

  const answer = useCallback(
    async (question: QuestionView, given: Answer): Promise<boolean> => {
      answering.current = question.id;
      setNotice(undefined);
      try {
        const result = await bridge.call('answer', { id: question.id, digest: question.digest, answer: given });
        if (result.ok) setSettled((old) => new Set(old).add(question.id));
        else setNotice(result.message || words.approval.elsewhere);
        live.reload();
        return result.ok;
      } catch (error) {
        // The question still stands in main, and ends as "no" at its deadline unless it is answered before.
        answering.current = undefined;
        setNotice(`${explain(error)} ${words.approval.notSent}`);
        return false;
      }
    },
    [bridge, live.reload],
  );

  return { live, current, position: done + 1, count: done + pending.length, notice, answer };
}
