import { type Effort, efforts, type TurnRequest } from '../../core/request.ts';
import type { Report } from '../../core/report.ts';
import { type ModelProfile, type ThinkingLevel, thinkingLevels } from '../codec.ts';

const commonLevels: readonly ThinkingLevel[] = ['low', 'medium', 'high'];

/** What Google's own translation of OpenAI's words is. @see https://ai.google.dev/gemini-api/docs/openai#thinking */
const budgetOf: Record<Effort, number> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
};

/** The level that was asked for, or the next above it; above the highest that one. */
function levelFor(effort: Effort, levels: readonly ThinkingLevel[], report: Report): ThinkingLevel {
  const rank = (each: Effort) => efforts.indexOf(each);
  const sorted = thinkingLevels.filter((level) => levels.includes(level));
  const level = sorted.find((each) => rank(each) >= rank(effort)) ?? sorted.at(-1) ?? 'high';
  if (level !== effort) {
    const why = effort === 'none' ? 'The model cannot be kept from thinking' : `The model knows no effort "${effort}"`;
    report.warn('reasoning.effort', `${why}; "${level}" was sent.`);
  }
  return level;
}

function budgetFor(effort: Effort, { least, most }: { least: number; most: number }, report: Report): number {
  const budget = Math.min(Math.max(budgetOf[effort], least), most);
  if (effort === 'none' && budget > 0) {
    report.warn('reasoning.effort', `The model cannot be kept from thinking; ${budget} tokens, its least, were sent.`);
  }
  return budget;
}

/**
 * JSON of `thinkingConfig`; undefined: the upstream's default. A summary is what its thoughts are called here.
 * @see https://ai.google.dev/gemini-api/docs/thinking
 */
export function encodeThinking(
  reasoning: TurnRequest['reasoning'],
  { reasoning: kind, gemini }: ModelProfile,
  report: Report,
): string | undefined {
  const { effort, summary } = reasoning ?? { effort: null, summary: null };
  if (effort === null && summary === null) return undefined;
  if (kind !== 'effort' && kind !== 'budget') {
    const named = effort === null ? 'reasoning.summary' : 'reasoning.effort';
    if (effort !== 'none') report.warn(named, 'The model does not reason; the field was left out.');
    return undefined;
  }
  if (summary === 'concise' || summary === 'detailed') {
    report.warn('reasoning.summary', `The upstream knows one kind of summary; "${summary}" was taken as "auto".`);
  }
  const config: Record<string, unknown> = {};
  if (effort !== null && kind === 'effort') {
    config['thinkingLevel'] = levelFor(effort, gemini?.levels ?? commonLevels, report);
  } else if (effort !== null) {
    config['thinkingBudget'] = budgetFor(effort, gemini?.budget ?? { least: 0, most: 24_576 }, report);
  }
  if (summary !== null) config['includeThoughts'] = true;
  return JSON.stringify(config);
}
