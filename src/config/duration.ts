const unitsMs: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90m`, `12h`, `30d`, or `never`. @returns milliseconds; Infinity for `never`, undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text === 'never') return Infinity;
  const [, count, unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  const unitMs = unitsMs[unit];
  return count === undefined || unitMs === undefined ? undefined : Number(count) * unitMs;
}
