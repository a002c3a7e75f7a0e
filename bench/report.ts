import { init } from 'echarts';
import type { Scenario } from './scenario.ts';

/** One scenario at one target in one round. */
export interface Sample {
  done: number;
  failed: number;
  cpuPer1000: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  firstP50Ms: number;
  /** The most that was seen. */
  memoryMb: number;
  /** 99 of 100 timers of the gateway's event loop were no later. NaN: nobody watched. */
  loopP99Ms: number;
  /** µs of CPU for each read of a body. */
  cpuPerChunkUs: number;
}

export interface Measured {
  scenario: Scenario;
  target: string;
  samples: Sample[];
}

export interface Spread {
  median: number;
  least: number;
  most: number;
}

export function spreadOf(samples: readonly Sample[], field: keyof Sample): Spread {
  const sorted = samples.map((sample) => sample[field]).toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return { median: at(sorted.length >> 1), least: at(0), most: at(sorted.length - 1) };
}

const columns: readonly [title: string, field: keyof Sample, digits: number][] = [
  ['CPU s per 1,000', 'cpuPer1000', 3],
  ['p50 ms', 'p50Ms', 2],
  ['p99 ms', 'p99Ms', 1],
  ['first words p50 ms', 'firstP50Ms', 2],
  ['requests/s', 'perSecond', 0],
  ['MB', 'memoryMb', 0],
  ['event loop p99 ms', 'loopP99Ms', 1],
  ['failed', 'failed', 0],
];

const shown = (value: number, digits: number) => (Number.isNaN(value) ? '–' : value.toFixed(digits));

function cell(samples: readonly Sample[], field: keyof Sample, digits: number): string {
  const { median, least, most } = spreadOf(samples, field);
  const range = field === 'cpuPer1000' && samples.length > 1 ? ` (${shown(least, digits)}–${shown(most, digits)})` : '';
  return shown(median, digits) + range;
}

/** Medians, with the range of the rounds where it tells how far to trust them. */
export function markdown(measured: readonly Measured[]): string {
  const head = ['scenario', 'target', ...columns.map(([title]) => title)];
  const rows = measured.map(({ scenario, target, samples }) => [
    scenario.name,
    target,
    ...columns.map(([, field, digits]) => cell(samples, field, digits)),
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

/** Bars of CPU per 1,000 requests, by scenario and target. */
export function chart(measured: readonly Measured[]): string {
  const names = [...new Set(measured.map(({ scenario }) => scenario.name))];
  const targets = [...new Set(measured.map(({ target }) => target))];
  const height = 120 + names.length * (12 + targets.length * 14);
  const canvas = init(null, null, { renderer: 'svg', ssr: true, width: 860, height });
  canvas.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: { text: 'CPU seconds per 1,000 requests', textStyle: { fontSize: 15 } },
    legend: { top: 28 },
    grid: { top: 64, left: 190, right: 60, bottom: 30 },
    xAxis: { type: 'log', min: 0.01, startValue: 0.01 },
    yAxis: { type: 'category', data: names, inverse: true },
    series: targets.map((target) => ({
      type: 'bar',
      name: target,
      data: names.map((name) => {
        const found = measured.find((each) => each.scenario.name === name && each.target === target);
        return found === undefined ? null : Number(spreadOf(found.samples, 'cpuPer1000').median.toPrecision(3));
      }),
      label: { show: true, position: 'right', fontSize: 10 },
    })),
  });
  const svg = canvas.renderToSVGString();
  canvas.dispose();
  return svg;
}
