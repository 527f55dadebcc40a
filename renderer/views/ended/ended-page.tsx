import { Empty } from '../../parts/states.tsx';
import { words } from '../../words/current.ts';
import './ended.css';

/** The console's link was used up or ended: nothing here can be trusted to be current, so nothing is shown. */
export function EndedPage() {
  return (
    <main className="ended" id="main">
      <h1 className="unseen">Gatehouse</h1>
      <div className="card">
        <Empty sign="paused" title={words.ended.title}>
          {words.ended.how}
        </Empty>
      </div>
    </main>
  );
}
