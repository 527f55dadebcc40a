import type { PolicySnapshot } from '../policy/decide.ts';
import { isJsonObject } from '../policy/json.ts';
import { givenTo } from './call-input.ts';
import { invalidParams } from './call-refusals.ts';
import { type CallRequest, ended, type KnownCall, type Step } from './call-request.ts';
import { sentBeside } from './forwarded.ts';
import { digestOfArguments } from './refuse.ts';
import type { Subject } from './subjects.ts';

/** A request and what it is about, with the digests it is decided, asked and recorded under. */
export function knownCall(
  callId: string,
  request: CallRequest,
  snapshot: PolicySnapshot,
  subject: Subject,
): Step<KnownCall> {
  const { method, params } = request;
  const given = givenTo(request, subject);
  const { depth } = snapshot.document.gateway;
  const argumentsDigest = digestOfArguments(given ?? {}, depth);
  if (argumentsDigest === undefined) {
    return ended(invalidParams(`"arguments" ${noForm('nest', 'hold', depth)}`));
  }
  const beside = sentBeside(method, params);
  const extraDigest = beside && digestOfArguments(beside, depth);
  if (beside !== undefined && extraDigest === undefined) {
    const what = 'what is sent beside "name" and "arguments"';
    return ended(invalidParams(`${what} ${noForm('nests', 'holds', depth)}`));
  }
  // Numbers travel as JavaScript has them: 1.0 is sent on as 1, and integers beyond 2^53 lose digits. What is
  // validated, decided, shown, recorded and forwarded is one value throughout; of a repeated key the last counts.
  const call: KnownCall = {
    callId,
    request,
    snapshot,
    subject,
    args: isJsonObject(given) ? given : {},
    argumentsDigest,
    argumentsText: JSON.stringify(given ?? {}),
    ...(beside !== undefined &&
      extraDigest !== undefined && {
        extra: { value: beside, text: JSON.stringify(beside), digest: extraDigest },
      }),
  };
  return { ok: true, value: call };
}

/** Why something has no digest. */
function noForm(nest: string, hold: string, depth: number): string {
  return `${nest} deeper than ${depth} levels, or ${hold} text that is not valid Unicode or a number larger than any double`;
}
