import { SourceFailure } from './source.ts';
import type { TrustCode } from './trust.ts';

export interface Refusal {
  readonly code: TrustCode;
  /** One plain sentence, ready for the person. */
  readonly message: string;
}

export const notEnrolled: Refusal = {
  code: 'not-enrolled',
  message: 'This computer has not joined an organisation yet. Open Gatehouse and join one.',
};

export const superseded: Refusal = {
  code: 'unreachable',
  message: 'This check was given up because the organisation changed or Gatehouse is closing.',
};

export function managedElsewhere(name: string | undefined): Refusal {
  return {
    code: 'invalid-enrolment',
    message: `This computer is enrolled by its administrator${name ? ` in ${name}` : ''}, so another organisation cannot be joined. Ask your IT team.`,
  };
}

/**
 * Says why a repository was not accepted. tuf-js wraps its errors in text, so the text is read here and nowhere else;
 * what is not recognised counts as tampered. The verdict itself never depends on this.
 */
export function describeFailure(error: unknown, where: string): Refusal {
  if (error instanceof SourceFailure) {
    return error.code === 'unreachable'
      ? {
          code: 'unreachable',
          message: `The policy at ${where} could not be fetched: ${error.message}. Gatehouse keeps trying; if this lasts, tell your IT team.`,
        }
      : { code: 'tampered', message: `The policy at ${where} was refused: ${error.message}. Tell your IT team.` };
  }
  const text = error instanceof Error ? error.message : String(error);
  if (isDiskError(error) || /^Failed to persist metadata/.test(text)) {
    return {
      code: 'unwritable',
      message: `Gatehouse could not write its own files while checking the policy (${text}). Free disk space or restore access to its data folder.`,
    };
  }
  const unsigned = /([\w.]+) was signed by (\d+)\/(\d+) keys/.exec(text);
  if (unsigned) {
    return {
      code: 'bad-signature',
      message: `The policy at ${where} was refused: ${unsigned[1]} carries ${unsigned[2]} of the ${unsigned[3]} signatures it needs from your organisation's keys. Tell your IT team.`,
    };
  }
  if (/is expired/.test(text)) {
    const file = /([\w-]+)(?:\.json)? is expired/.exec(text)?.[1] ?? 'metadata';
    return {
      code: 'expired',
      message: `The policy at ${where} is past its expiry date (${file}), so it may be withheld news. Ask your IT team to publish again; if this computer's date is wrong, correct it.`,
    };
  }
  const older = /version (\d+)(?: of ([\w.]+))? is less than current version (\d+)/.exec(text);
  if (older || /^Missing file|Missing file [\w.]+ in new snapshot/.test(text)) {
    const detail = older
      ? `version ${older[1]} where this computer has already seen ${older[3]}`
      : 'a part that was there before is gone';
    return {
      code: 'rollback',
      message: `The policy at ${where} was refused because it is older than one already verified (${detail}). Tell your IT team.`,
    };
  }
  return {
    code: 'tampered',
    message: `The policy at ${where} was refused because its files do not belong together (${plain(text)}). Tell your IT team.`,
  };
}

const plain = (text: string) =>
  text.replace(/^(?:Unable to load \w+(?: metadata)? error )?(?:\w*Error: )?/, '').slice(0, 300);

/** Errors of the operating system name the call that failed. */
function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
