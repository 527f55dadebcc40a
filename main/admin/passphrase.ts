import { type AdminResult, refuse } from './result.ts';

const VARIABLE = 'GATEHOUSE_PASSPHRASE';

/** The passphrase from GATEHOUSE_PASSPHRASE, else typed unseen at the terminal; twice where keys are about to be made. Never an argument: those show in process lists. */
export async function readPassphrase(twice: boolean): Promise<AdminResult<string>> {
  const given = process.env[VARIABLE];
  if (given !== undefined && given !== '') return { ok: true, value: given };
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    return refuse(
      'no-passphrase',
      `There is no terminal to ask for the passphrase at. Set ${VARIABLE} for this command.`,
    );
  }
  const first = await ask(twice ? 'New passphrase for the keys: ' : 'Passphrase: ');
  if (first === undefined) return refuse('no-passphrase', 'No passphrase was given.');
  if (twice && (await ask('The same again: ')) !== first) {
    return refuse('no-passphrase', 'The two passphrases differ. Nothing was made; try again.');
  }
  return { ok: true, value: first };
}

/** Reads one line without showing it. Undefined on Ctrl-C, Ctrl-D or an empty line. */
function ask(question: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.resume();
  return new Promise((resolve) => {
    let typed = '';
    const finish = (answer: string | undefined) => {
      stdin.off('data', listen);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      resolve(answer === '' ? undefined : answer);
    };
    const listen = (chunk: string) => {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return finish(typed);
        if (character === '\u0003' || character === '\u0004') return finish(undefined);
        if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
        else if (character >= ' ') typed += character;
      }
    };
    stdin.on('data', listen);
  });
}
