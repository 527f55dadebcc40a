/** Why a question to a caller has no answer. */
export type AskFailureCode = 'not-offered' | 'nobody-listens' | 'too-many' | 'cancelled' | 'caller-gone';

const words: Readonly<Record<AskFailureCode, string>> = {
  'not-offered': 'The AI app did not offer to answer this.',
  'nobody-listens': 'The AI app cannot be asked now: it reads no stream on which it could be.',
  'too-many': 'The AI app has as many unanswered questions as it may.',
  cancelled: 'The question was withdrawn.',
  'caller-gone': 'The AI app that would answer is gone, or took too long.',
};

/** A caller that was asked on behalf of a server did not answer. */
export class AskFailure extends Error {
  readonly code: AskFailureCode;

  constructor(code: AskFailureCode) {
    super(words[code]);
    this.name = 'AskFailure';
    this.code = code;
  }
}
