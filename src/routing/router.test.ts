import { describe, expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import type { ModelProfile } from '../protocols/codec.ts';
import type { Deployment, Provider } from '../providers/provider.ts';
import { createRouter, type RouterOptions } from './router.ts';

const profile: ModelProfile = {
  maxOutputTokens: undefined,
  reasoning: 'none',
  reasoningField: 'none',
  midConversationSystem: false,
  maxTokensField: 'max_tokens',
  jsonSchemaOutput: false,
  customTools: false,
};

function refuse(): never {
  throw new Error('the router calls no provider');
}

const provider: Provider = {
  name: 'anthropic',
  codec: {
    protocol: 'messages',
    encodeRequest: refuse,
    createStreamDecoder: refuse,
    decodeResponse: refuse,
    decodeError: refuse,
    signatureScope: refuse,
  },
  transport: { send: refuse, close: refuse },
  defaultBaseUrl: undefined,
  priceProviderIdOf: () => undefined,
  profileOf: (model) => ({ ...profile, reasoning: model.includes('opus') ? 'adaptive' : 'none' }),
  buildRequest: refuse,
};

function deployment(group: string, model: string, change: Partial<Deployment> = {}): Deployment {
  return {
    group,
    provider,
    model,
    baseUrl: 'https://upstream.example',
    apiKey: undefined,
    headers: {},
    timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
    weight: 1,
    profile,
    prices: undefined,
    ...change,
  };
}

const router = (options: Partial<RouterOptions>) =>
  createRouter({
    deployments: [],
    aliases: {},
    retries: 0,
    fallbacks: {},
    random: () => 0,
    nowMs: () => 0,
    ...options,
  });

const models = (deployments: Deployment[]) => deployments.map(({ model }) => model);

describe('route', () => {
  test.each<[name: string, retries: number, model: string, tried: string[]]>([
    ['one attempt', 0, 'fast', ['a']],
    ['further attempts go to the others first, then round again', 2, 'fast', ['a', 'b', 'a']],
    ['an alias of an alias', 1, 'gpt-4o-mini', ['a', 'b']],
    ['fallback groups after the group itself, each with its retries', 1, 'smart', ['s', 's', 'a', 'b', 'l', 'l']],
    ['an alias has the fallbacks of its group', 0, 'clever', ['s', 'a', 'l']],
    ['fallbacks of an alias itself come before those of its group', 0, 'brilliant', ['s', 'l']],
    ['a pattern', 0, 'claude-sonnet-9', ['claude-sonnet-9']],
    ['the longest pattern that fits', 0, 'claude-haiku-9', ['haiku']],
    ['an exact name wins over a pattern', 0, 'claude-exact', ['exact']],
    ['an alias of a name that a pattern serves, with its fallbacks', 0, 'best', ['claude-opus-9', 'l']],
    ['a provider prefix goes no further', 0, 'openai/ft:gpt/x', ['ft:gpt/x']],
  ])('%s', (_name, retries, model, tried) => {
    const made = router({
      deployments: [
        deployment('fast', 'a'),
        deployment('fast', 'b'),
        deployment('smart', 's'),
        deployment('last', 'l'),
        deployment('claude-*', '*'),
        deployment('claude-haiku-*', 'haiku'),
        deployment('claude-exact', 'exact'),
        deployment('openai/*', '*'),
      ],
      aliases: { 'gpt-4o-mini': 'small', small: 'fast', clever: 'smart', brilliant: 'smart', best: 'claude-opus-9' },
      fallbacks: { smart: ['small', 'last'], brilliant: ['last'], 'claude-opus-9': ['last'] },
      retries,
    });
    expect(models(made.route(model))).toEqual(tried);
  });

  test.each(['unknown', '', 'claude', 'claude-*', '*', 'groq/', 'constructor', '__proto__', 'x'.repeat(100_000)])(
    'an unknown name is a 404 in the words of OpenAI: %.20s',
    (model) => {
      const deployments = [deployment('claude-*', '*'), deployment('groq/*', '*'), deployment('fast', 'a')];
      const made = router({ deployments });
      const shown = model.length > 256 ? `${model.slice(0, 256)}…` : model;
      expect(() => made.route(model)).toThrow(`The model '${shown}' does not exist or you do not have access to it.`);
      expect(() => made.route(model)).toThrow(
        expect.objectContaining({ code: 'model_not_found', status: 404, wireCode: 'model_not_found', param: 'model' }),
      );
    },
  );

  test("a pattern's deployment has the profile of the model asked for, under what was configured", () => {
    const made = router({
      deployments: [deployment('claude-*', '*', { profile: { ...profile, maxOutputTokens: 5 } })],
    });
    const [{ profile: opus, group }] = made.route('claude-opus-9');
    expect({ opus, group }).toEqual({
      opus: { ...profile, maxOutputTokens: 5, reasoning: 'adaptive' },
      group: 'claude-*',
    });
    const [{ profile: haiku }] = made.route('claude-haiku-9');
    expect(haiku.reasoning).toBe('none');
  });

  test('the first attempt is drawn by weight', () => {
    const deployments = [deployment('fast', 'a', { weight: 1 }), deployment('fast', 'b', { weight: 3 })];
    const made = router({ deployments, random: () => 0.5 });
    expect(models(made.route('fast'))).toEqual(['b']);
  });
});

describe('a pin', () => {
  const name = (model: string) => `anthropic https://upstream.example ${model}`;
  const deployments = ['a', 'b', 'c'].map((model) => deployment('fast', model));
  const setup = (retries: number) =>
    router({
      deployments: [...deployments, deployment('smart', 's'), deployment('claude-*', '*')],
      aliases: { small: 'fast' },
      fallbacks: { smart: ['small'] },
      retries,
    });

  test.each<[name: string, retries: number, model: string, pinned: string, tried: string[]]>([
    ['comes first in its group', 0, 'fast', 'b', ['b']],
    ['is tried again in its turn', 3, 'fast', 'c', ['c', 'a', 'b', 'c']],
    ['in a fallback comes before the group, once', 1, 'smart', 'b', ['b', 's', 's', 'a']],
    ['of a pattern is the model asked for', 0, 'claude-x', 'claude-x', ['claude-x']],
    ['of another model of a pattern is none', 0, 'claude-x', 'claude-y', ['claude-x']],
    ['of another group is none', 2, 'fast', 's', ['a', 'b', 'c']],
  ])('%s', (_name, retries, model, pinned, tried) => {
    expect(models(setup(retries).route(model, name(pinned)))).toEqual(tried);
  });

  test('of a deployment that failed lately is none', () => {
    const made = setup(2);
    const [a, b] = made.route('fast');
    if (b !== undefined) made.failed(b, new GatewayError('upstream_overloaded', 'busy', { retryable: true }));
    expect(models(made.route('fast', name('b')))).toEqual(['a', 'c', 'b']);
    made.failed(a, new GatewayError('upstream_overloaded', 'busy', { retryable: true }));
    expect(models(made.route('fast', name('a')))).toEqual(['c', 'a', 'b']);
  });
});

describe('health', () => {
  const overloaded = (retryAfterSeconds?: number) =>
    new GatewayError('upstream_overloaded', 'busy', {
      retryable: true,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    });

  function setup(deployments = [deployment('fast', 'a'), deployment('fast', 'b')]) {
    const clock = { nowMs: 1_000_000 };
    const made = router({ deployments, retries: 1, nowMs: () => clock.nowMs, cooldownMs: 15_000 });
    return { clock, made, tried: (name = 'fast') => models(made.route(name)) };
  }

  test.each<[name: string, error: GatewayError, coolMs: number]>([
    ['for the cool-down', overloaded(), 15_000],
    ['for as long as the upstream asks', overloaded(60), 60_000],
    ['for the cool-down where the upstream asks for less', overloaded(1), 15_000],
    ['for no more than five minutes', overloaded(3600), 300_000],
  ])('a deployment that failed comes last, %s', (_name, error, coolMs) => {
    const { clock, made, tried } = setup();
    expect(tried()).toEqual(['a', 'b']);
    made.failed(made.route('fast')[0], error);
    expect(tried()).toEqual(['b', 'a']);
    clock.nowMs += coolMs - 1;
    expect(tried()).toEqual(['b', 'a']);
    clock.nowMs += 1;
    expect(tried()).toEqual(['a', 'b']);
  });

  test('where all failed, all are tried, the soonest to be well first', () => {
    const { made, tried } = setup();
    const [a, b] = made.route('fast');
    made.failed(a, overloaded(60));
    if (b !== undefined) made.failed(b, overloaded());
    expect(tried()).toEqual(['b', 'a']);
  });

  test('success ends the cool-down; an error that is not retryable begins none', () => {
    const { made, tried } = setup();
    const [a] = made.route('fast');
    made.failed(a, overloaded());
    made.succeeded(a);
    expect(tried()).toEqual(['a', 'b']);
    made.failed(a, new GatewayError('upstream_rejected', 'no'));
    // Another client's mistake in a name, say.
    made.failed(a, new GatewayError('upstream_error', 'no such model', { retryable: 'elsewhere' }));
    expect(tried()).toEqual(['a', 'b']);
    made.failed(a, new GatewayError('upstream_rate_limited', 'slowly', { retryable: 'elsewhere' }));
    expect(tried()).toEqual(['b', 'a']);
  });

  test("a pattern's deployment is one deployment, whatever the name asked for", () => {
    const { made, tried } = setup([deployment('claude-*', '*'), deployment('claude-*', 'other')]);
    made.failed(made.route('claude-1')[0], overloaded());
    expect(tried('claude-2')).toEqual(['other', 'claude-2']);
  });
});

describe('createRouter', () => {
  test("a pattern's deployment is made once for a name, but for names that are too long to keep", () => {
    const made = router({ deployments: [deployment('claude-*', '*')] });
    const first = (name: string) => made.route(name)[0];
    const long = `claude-${'x'.repeat(300)}`;
    expect(first('claude-a')).toBe(first('claude-a'));
    expect(first('claude-a')).not.toBe(first('claude-b'));
    expect(first(long)).not.toBe(first(long));
    expect(first(long).model).toBe(long);
  });

  test('names are the groups and the aliases, once each, without patterns', () => {
    const deployments = [deployment('fast', 'a'), deployment('fast', 'b'), deployment('claude-*', '*')];
    expect(router({ deployments, aliases: { small: 'fast', best: 'claude-x' } }).names()).toEqual([
      'fast',
      'small',
      'best',
    ]);
  });

  test.each<[name: string, options: Partial<RouterOptions>, message: string]>([
    ['an alias of itself', { aliases: { a: 'a' } }, 'circle: a → a'],
    ['a circle of aliases', { aliases: { a: 'b', b: 'c', c: 'a' } }, 'circle: a → b → c → a'],
    ['a circle behind an alias', { aliases: { a: 'b', b: 'c', c: 'b' } }, 'circle: a → b → c → b'],
    ['an alias of nothing', { aliases: { a: 'nothing' } }, 'alias a leads to nothing'],
    ['an alias of a pattern', { aliases: { a: 'f*' }, deployments: [deployment('f*', '*')] }, 'alias a leads to f*'],
    ['a fallback to nothing', { fallbacks: { fast: ['nothing'] } }, 'fallback nothing of fast'],
  ])('%s is refused', (_name, options, message) => {
    expect(() => router({ deployments: [deployment('fast', 'a')], ...options })).toThrow(message);
  });
});
