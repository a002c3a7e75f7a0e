import { createRandom, type Random } from './random.ts';

/** A process, as far as the world is concerned: where a step runs, and whether it still can. */
export interface Home {
  readonly name: string;
  alive: boolean;
  /** Its steps wait until then: a process that was stopped and goes on. */
  frozenUntilMs: number;
}

/** What will happen next somewhere. Steps that are due happen one at a time, in an order that chance decides. */
export interface Step {
  readonly name: string;
  readonly home: Home | undefined;
  dueMs: number;
  /** Set: it comes again and again, as an interval does. */
  readonly everyMs: number | undefined;
  readonly run: () => void;
}

export interface StepOptions {
  delayMs?: number;
  /** Undefined: the one whose step is running. Null: nobody's, so that no crash takes it away. */
  home?: Home | null;
}

/** Virtual time, chance, and what is going to happen. */
export interface World {
  readonly random: Random;
  nowMs: () => number;
  schedule(name: string, run: () => void, options?: StepOptions): Step;
  cancel(step: Step): void;
  /** How long a thing takes: mostly no time, at times very long. */
  latencyMs(): number;
  trace(text: () => string): void;
  /** Everything that the home was about to do is gone. */
  crash(home: Home): void;
  /** Runs until nothing is left to happen. @param isOpen whether somebody still waits; then intervals go on. */
  run(isOpen: () => boolean): Promise<void>;
  /** Intervals that nobody has stopped, of homes that live. */
  intervals(): Step[];
  readonly traced: string[];
}

export const maxLatencyMs = 4000;

const startMs = 1_763_800_000_000;
/** Bounds of a run: what is not over by then goes round in circles. */
const maxSteps = 60_000;
const maxRunMs = 3_600_000;

const realSetImmediate = setImmediate;

export function createWorld(seed: number, isTraced: boolean): World {
  const random = createRandom(seed);
  const traced: string[] = [];
  let steps: Step[] = [];
  let now = startMs;
  let running: Home | undefined;

  const trace = (text: () => string) => {
    if (isTraced) traced.push(`${String(now - startMs).padStart(7)} ${(running?.name ?? '-').padEnd(3)} ${text()}`);
  };

  function schedule(name: string, run: () => void, { delayMs = 0, home = running }: StepOptions = {}): Step {
    return add({ name, home: home ?? undefined, dueMs: now + delayMs, everyMs: undefined, run });
  }

  function add(step: Step): Step {
    if (step.home?.alive !== false) steps.push(step);
    return step;
  }

  function cancel(step: Step): void {
    steps = steps.filter((other) => other !== step);
  }

  const readyMs = ({ dueMs, home }: Step) => Math.max(dueMs, home?.frozenUntilMs ?? 0);

  function next(): Step | undefined {
    let ready = steps.filter((step) => readyMs(step) <= now);
    if (ready.length === 0) {
      let earliest = Number.POSITIVE_INFINITY;
      for (const step of steps) earliest = Math.min(earliest, readyMs(step));
      if (earliest === Number.POSITIVE_INFINITY) return undefined;
      now = earliest;
      ready = steps.filter((step) => readyMs(step) <= now);
    }
    return ready[random.below(ready.length)];
  }

  /** The timers of the code under test, in virtual time; each belongs to the home whose step made it. */
  function takeOverTimers(): () => void {
    const real = { setTimeout, clearTimeout, setInterval, clearInterval };
    const make = (name: string, everyMs: number | undefined, run: () => void, delayMs: number) => {
      const step = add({ name, home: running, dueMs: now + delayMs, everyMs, run });
      const handle = Object.assign(step, { unref: () => handle, ref: () => handle });
      return handle;
    };
    const clear = (step: Step | undefined) => {
      if (step !== undefined) cancel(step);
    };
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delayMs = 0) => make('timer', undefined, run, delayMs),
      setInterval: (run: () => void, everyMs: number) => make('interval', everyMs, run, everyMs),
      clearTimeout: clear,
      clearInterval: clear,
    });
    return () => Object.assign(globalThis, real);
  }

  return {
    random,
    traced,
    nowMs: () => now,
    schedule,
    cancel,
    latencyMs() {
      const kind = random.next();
      if (kind < 0.5) return 0;
      if (kind < 0.9) return random.below(20);
      return kind < 0.98 ? random.below(600) : random.below(maxLatencyMs);
    },
    trace,
    crash(home) {
      home.alive = false;
      steps = steps.filter((step) => step.home !== home);
    },
    intervals: () => steps.filter(({ everyMs }) => everyMs !== undefined),
    async run(isOpen) {
      const giveBack = takeOverTimers();
      try {
        for (let count = 0; ; count += 1) {
          if (!isOpen() && steps.every(({ everyMs }) => everyMs !== undefined)) return;
          const step = next();
          if (step === undefined) return;
          if (count > maxSteps || now - startMs > maxRunMs) throw new Error(`the world does not come to rest`);
          if (step.everyMs === undefined) cancel(step);
          else step.dueMs = now + step.everyMs;
          running = step.home;
          trace(() => step.name);
          step.run();
          // Whatever follows from the step by promises alone has happened when this resolves.
          await new Promise((resolve) => {
            realSetImmediate(resolve);
          });
          running = undefined;
        }
      } finally {
        giveBack();
      }
    },
  };
}
