import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// The one gate: every check, one after another, all of them even when one fails. Runs inside `npm test`, whose PATH holds
// the tools. The last line on stdout is the sum, the unit tests counted one by one and every other check as one.

// `agents` installs the coding agents that the tests run.
const checks = ['agents', 'typecheck', 'lint', 'format:check', 'knip', 'duplicates', 'build', 'publint'];

function run(command: string, args: string[]): boolean {
  process.stdout.write(`\n> ${command} ${args.join(' ')}\n`);
  return spawnSync(command, args, { stdio: 'inherit' }).status === 0;
}

function countUnitTests(): { passed: number; failed: number } {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-verify-'));
  const report = join(folder, 'report.json');
  try {
    const green = run('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
    const counts = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      numPendingTests: number;
      numTodoTests: number;
    };
    // A test that did not run is not a test that passed, and a file that does not load has no tests to count.
    const failed = counts.numFailedTests + counts.numPendingTests + counts.numTodoTests;
    return { passed: counts.numPassedTests, failed: green ? failed : Math.max(failed, 1) };
  } catch (error) {
    process.stderr.write(`the unit tests left no report: ${String(error)}\n`);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failedChecks = checks.filter((check) => !run('npm', ['run', '--silent', check]));
const unit = countUnitTests();
const passed = unit.passed + checks.length - failedChecks.length;
const failed = unit.failed + failedChecks.length;
if (failedChecks.length > 0) process.stdout.write(`\nfailed: ${failedChecks.join(', ')}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
