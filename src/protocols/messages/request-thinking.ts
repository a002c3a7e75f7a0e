import { isJsonObject } from '../../core/json-object.ts';
import type { Effort, TurnRequest } from '../../core/request.ts';
import type { ModelProfile } from '../codec.ts';
import type { Report } from '../../core/report.ts';

type ActiveEffort = Exclude<Effort, 'none'>;

interface EncodedThinking {
  on: boolean;
  /** JSON of the field; undefined: not sent. */
  thinking: string | undefined;
  /** Of `output_config`. */
  effort: string | undefined;
}

/** Why this call cannot think though the client asks for it; each is refused by Anthropic. */
interface ThinkingObstacles {
  forcedTool: boolean;
  unthoughtCalls: boolean;
  prefill: boolean;
}

const off: EncodedThinking = { on: false, thinking: undefined, effort: undefined };
const disabled = '{"type":"disabled"}';

const minBudget = 1024;

const budgetOf: Record<ActiveEffort, number> = {
  minimal: minBudget,
  low: minBudget,
  medium: 4096,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};

const adaptiveEffort: Record<ActiveEffort, string> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
};

function obstacleOf(obstacles: ThinkingObstacles): string | undefined {
  if (obstacles.forcedTool) return 'tool_choice forces a call';
  if (obstacles.unthoughtCalls) return 'the open tool calls were made without it';
  return obstacles.prefill ? 'the input ends with an assistant message' : undefined;
}

function adaptive(
  effort: ActiveEffort | null,
  summarized: boolean,
  { xhighEffort = true }: ModelProfile,
  report: Report,
): EncodedThinking {
  const isBetween = effort === 'xhigh' && !xhighEffort;
  if (isBetween) report.warn('reasoning.effort', 'The model knows no effort "xhigh"; "high" was sent.');
  if (effort === 'minimal')
    report.warn('reasoning.effort', 'The upstream\'s least effort is low; "minimal" was sent as that.');
  const thinking = `{"type":"adaptive","display":"${summarized ? 'summarized' : 'omitted'}"}`;
  return { on: true, thinking, effort: effort === null ? undefined : adaptiveEffort[isBetween ? 'high' : effort] };
}

function budgeted(
  effort: ActiveEffort | null,
  summarized: boolean,
  maxTokens: number,
  report: Report,
): EncodedThinking {
  if (maxTokens <= minBudget) {
    const message = `The upstream thinks with ${minBudget} tokens at least, and the limit is ${maxTokens}; thinking is off.`;
    report.warn('reasoning', message);
    return off;
  }
  // The limit counts thinking too: a quarter of it at least is left for the answer.
  const share = Math.max(minBudget, Math.floor((maxTokens * 3) / 4));
  const budget = Math.min(budgetOf[effort ?? 'medium'], share);
  // Models of this kind show their thinking unless told not to.
  return {
    on: true,
    thinking: `{"type":"enabled","budget_tokens":${budget}${summarized ? '' : ',"display":"omitted"'}}`,
    effort: undefined,
  };
}

/** @see https://platform.claude.com/docs/en/build-with-claude/thinking */
export function encodeThinking(
  reasoning: TurnRequest['reasoning'],
  profile: ModelProfile,
  maxTokens: number,
  obstacles: ThinkingObstacles,
  report: Report,
): EncodedThinking {
  const { effort, summary } = reasoning ?? { effort: null, summary: null };
  if (effort === null && summary === null) return off;
  if (profile.reasoning !== 'adaptive' && profile.reasoning !== 'budget') {
    const named = effort === null ? 'reasoning.summary' : 'reasoning.effort';
    if (effort !== 'none') report.warn(named, 'The model does not reason; the field was left out.');
    return off;
  }
  if (effort === 'none') return { ...off, thinking: disabled };
  if (summary === 'concise' || summary === 'detailed') {
    report.warn('reasoning.summary', `The upstream knows one kind of summary; "${summary}" was taken as "auto".`);
  }
  const wanted =
    profile.reasoning === 'adaptive'
      ? adaptive(effort, summary !== null, profile, report)
      : budgeted(effort, summary !== null, maxTokens, report);
  const obstacle = obstacleOf(obstacles);
  if (!wanted.on || obstacle === undefined) return wanted;
  report.warn('reasoning', `Thinking is off for this call, because ${obstacle}.`);
  return { on: false, thinking: disabled, effort: wanted.effort };
}

/** Models of before know a budget only, the oldest nothing of thinking: one of a group may stand in for another. */
export function takesThinking(thinking: unknown, reasoning: ModelProfile['reasoning']): boolean {
  const type = isJsonObject(thinking) ? thinking['type'] : undefined;
  if (type === 'adaptive') return reasoning === 'adaptive';
  return type !== 'enabled' || reasoning !== 'none';
}
