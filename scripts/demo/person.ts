/** The person at the console: signs in by the one-time link and answers questions, as the browser page does. */
export interface Person {
  call<T>(name: string, args?: object): Promise<T>;
  /** Waits for the next question, says what is shown, and answers it. */
  answerNext(answer: 'allow-once' | 'allow-session' | 'deny'): Promise<ShownQuestion>;
}

export interface ShownQuestion {
  readonly id: string;
  readonly digest: string;
  readonly app: string;
  readonly toolTitle: string;
  readonly serverTitle: string;
  readonly reason: string;
  readonly raw: string;
}

const WAIT_MS = 20_000;

export async function signIn(link: string): Promise<Person> {
  const opened = await fetch(link);
  const cookie = opened.headers.get('set-cookie')?.split(';')[0];
  const pageKey = /<meta name="gatehouse-page-key" content="([^"]+)">/.exec(await opened.text())?.[1];
  if (!cookie || !pageKey) throw new Error(`the one-time link answered ${opened.status}`);
  const base = new URL('./', link);

  const call = async <T>(name: string, args: object = {}): Promise<T> => {
    const response = await fetch(new URL(`api/call/${name}`, base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-gatehouse-page-key': pageKey, cookie },
      body: JSON.stringify(args),
    });
    const answer: { ok: true; value: T } | { ok: false; message: string } = await response.json();
    if (!answer.ok) throw new Error(`${name}: ${answer.message}`);
    return answer.value;
  };

  return {
    call,
    async answerNext(answer) {
      const end = Date.now() + WAIT_MS;
      while (Date.now() < end) {
        const [question] = await call<ShownQuestion[]>('questions');
        if (question) {
          const done = await call<{ ok: boolean; message?: string }>('answer', {
            id: question.id,
            digest: question.digest,
            answer,
          });
          if (!done.ok) throw new Error(done.message);
          return question;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`no question came within ${WAIT_MS / 1000} seconds`);
    },
  };
}
