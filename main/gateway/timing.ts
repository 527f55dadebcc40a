/** Where the time of a call goes. */
export type Stage = 'admit' | 'era' | 'decide' | 'guard' | 'audit' | 'forward' | 'serialise';

let sink: ((stage: Stage, ms: number) => void) | undefined;

/** From now on each stage of each call is measured, for the benchmark. Nobody measures otherwise. */
export function measureStages(into: (stage: Stage, ms: number) => void): void {
  sink = into;
}

/** Does the work of a stage; measured to its end, that of a promise to where it settles, where somebody measures. */
export function timed<T>(stage: Stage, work: () => T): T {
  if (sink === undefined) return work();
  const tell = sink;
  const since = performance.now();
  const done = () => tell(stage, performance.now() - since);
  const result = work();
  if (result instanceof Promise) result.then(done, done);
  else done();
  return result;
}
