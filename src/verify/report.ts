import Table from 'cli-table3';
import type { Result } from './run-checks.ts';

const marks: Record<Result['outcome'], string> = { passed: 'pass', failed: 'FAIL', skipped: 'skip' };

/** Columns only: a line between rows would double the length. */
const noRules = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'mid', 'mid-mid']
    .concat(['left', 'left-mid', 'right', 'right-mid', 'middle'])
    .map((place) => [place, '']),
);

/** One row for each check, then why those failed that did. */
export function tableOf(results: readonly Result[]): string {
  const table = new Table({ head: ['', 'check', 'ms', 'note'], style: { head: [], border: [] }, chars: noRules });
  for (const { check, outcome, detail, milliseconds } of results) {
    table.push([marks[outcome], check.name, milliseconds, outcome === 'skipped' ? (detail ?? '') : '']);
  }
  const why = results
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ check, detail }) => `\n${check.name}: ${detail}\n  ${check.reason}\n  ${check.rule}\n`);
  return `${table.toString()}\n${why.join('')}\n${summaryOf(results)}\n`;
}

export function summaryOf(results: readonly Result[]): string {
  const count = (outcome: Result['outcome']) => results.filter((result) => result.outcome === outcome).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

export function jsonOf(baseUrl: string, results: readonly Result[]): string {
  const rows = results.map(({ check: { name, reason, rule }, outcome, detail, milliseconds }) => ({
    name,
    outcome,
    ...(detail === undefined ? {} : { detail }),
    milliseconds,
    reason,
    rule,
  }));
  return `${JSON.stringify({ server: baseUrl, summary: summaryOf(results), results: rows }, null, 2)}\n`;
}

/** @see https://github.com/testmoapp/junitxml */
export function junitOf(baseUrl: string, results: readonly Result[]): string {
  const count = (outcome: Result['outcome']) => results.filter((result) => result.outcome === outcome).length;
  const cases = results.map(({ check, outcome, detail = '', milliseconds }) => {
    const [group = '', name = ''] = check.name.split('/');
    const start = `    <testcase classname="${xml(group)}" name="${xml(name)}" time="${milliseconds / 1000}"`;
    if (outcome === 'passed') return `${start}/>\n`;
    const inner =
      outcome === 'skipped'
        ? `<skipped message="${xml(detail)}"/>`
        : `<failure message="${xml(detail)}">${xml(`${check.reason} ${check.rule}`)}</failure>`;
    return `${start}>${inner}</testcase>\n`;
  });
  const counts = `tests="${results.length}" failures="${count('failed')}" skipped="${count('skipped')}"`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${counts}>\n` +
    `  <testsuite name="${xml(baseUrl)}" ${counts}>\n${cases.join('')}  </testsuite>\n</testsuites>\n`
  );
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Characters that XML cannot hold at all are replaced. */
function xml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are the ones
  return text.replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]|[&<>"]/g, (character) => entities[character] ?? '\ufffd');
}
