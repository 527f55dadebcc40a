import { monitorEventLoopDelay } from 'node:perf_hooks';
import { measureStages, type Stage } from './gateway/timing.ts';

/** How exactly the event loop's delay is looked at, ms. */
const resolution = 2;

/**
 * For the benchmark: measures from now on, and at each SIGUSR2 prints one line of JSON with what was measured since the last. Numbers
 * only, nothing of what was called. Signals come from this account alone.
 */
export function startDiagnostics(print: (line: string) => void): void {
  const delay = monitorEventLoopDelay({ resolution });
  const stages = new Map<Stage, { calls: number; ms: number }>();
  measureStages((stage, ms) => {
    const sum = stages.get(stage) ?? { calls: 0, ms: 0 };
    stages.set(stage, { calls: sum.calls + 1, ms: sum.ms + ms });
  });
  let cpu = process.cpuUsage();
  delay.enable();
  process.on('SIGUSR2', () => {
    const { user, system } = process.cpuUsage(cpu);
    const { rss, heapUsed } = process.memoryUsage();
    print(
      JSON.stringify({
        diagnostics: {
          loopDelayMs: { p50: quantile(delay, 50), p99: quantile(delay, 99), max: quantile(delay, 100) },
          cpuMs: (user + system) / 1_000,
          rss,
          heapUsed,
          stages: Object.fromEntries(stages),
        },
      }),
    );
    cpu = process.cpuUsage();
    delay.reset();
    stages.clear();
  });
}

/** The histogram holds whole intervals: how late the timer was is what is above the resolution. */
function quantile(delay: ReturnType<typeof monitorEventLoopDelay>, percent: number): number {
  const ns = percent === 100 ? delay.max : delay.percentile(percent);
  return Math.max(0, ns / 1e6 - resolution);
}
