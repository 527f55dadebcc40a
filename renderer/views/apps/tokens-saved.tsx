import type { TokensSavedView } from '../../../preload/contract.ts';
import type { Live } from '../../live.ts';
import { Sentence } from '../../parts/sentence.tsx';
import { VisibleText } from '../../parts/visible-text.tsx';
import { words } from '../../words/current.ts';

/** Sets of tools told one by one; an app rarely uses more. */
const most = 3;

/** What search keeps out of this app's conversations, most first. */
export function Saved({ saved }: { saved: readonly TokensSavedView[] }) {
  if (saved.length === 0) return null;
  const { apps } = words;
  const sorted = [...saved].sort((one, other) => savedBy(other) - savedBy(one));
  const left = sorted.length - most;
  return (
    <ul className="app-saved small">
      {sorted.slice(0, most).map((each) => {
        const tokens = savedBy(each);
        return (
          <li key={each.profile}>
            <Sentence
              text={tokens > 0 ? apps.saved(tokens) : apps.savedNothing}
              parts={{ profile: <VisibleText text={each.title} /> }}
            />{' '}
            <span className="muted numbers">{apps.savedHow(each.tools, each.listTokens, each.searchTokens)}</span>
          </li>
        );
      })}
      {left > 0 && <li className="muted">{apps.savedMore(left)}</li>}
    </ul>
  );
}

/** How that was counted; or that it was not. */
export function SavedNote({ live }: { live: Live<readonly TokensSavedView[]> }) {
  const { apps } = words;
  if (live.error !== undefined) return <p className="app-saved-note tiny muted">{apps.savedUnknown}</p>;
  if ((live.value?.length ?? 0) === 0) return null;
  return <p className="app-saved-note tiny muted">{apps.savedNote}</p>;
}

function savedBy({ listTokens, searchTokens }: TokensSavedView): number {
  return listTokens - searchTokens;
}
