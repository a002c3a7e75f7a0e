/* oxlint-disable no-console */
/** How long each of these took, one after another. */
export async function timesOf<Of>(all: readonly Of[], work: (one: Of) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (const one of all) {
    const began = performance.now();
    await work(one);
    times.push(performance.now() - began);
  }
  return times;
}

/** Runs `work` again and again, one after another, until `until` settles. */
export async function timesUntil(until: Promise<unknown>, work: () => Promise<unknown>): Promise<number[]> {
  const state = { isOver: false };
  const over = () => {
    state.isOver = true;
  };
  void until.then(over, over);
  const times: number[] = [];
  while (!state.isOver) times.push(...(await timesOf([0], work)));
  return times;
}

export function tell(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(1);
  console.log(`${what.padEnd(58)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms, of ${sorted.length}`);
}
