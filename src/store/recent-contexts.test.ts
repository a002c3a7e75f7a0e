import { describe, expect, test } from 'vitest';
import type { ContextChain } from './context-of.ts';
import { createRecentContexts } from './recent-contexts.ts';

function chainOf(characters: number): ContextChain {
  const item = { id: 'msg_1', type: 'message', origin: 'o', turnId: 'resp_1', envelope: null };
  return { items: [{ ...item, body: 'b'.repeat(characters - 1) }], saidFrom: 0 };
}

describe('contexts that were read last', () => {
  test('are found by tenant and turn', () => {
    const contexts = createRecentContexts(100);
    const chain = chainOf(10);
    contexts.remember('a', 'resp_1', chain, undefined);
    expect(contexts.find('a', 'resp_1')).toBe(chain);
    expect(contexts.find('b', 'resp_1')).toBeUndefined();
    expect(contexts.find('a', 'resp_2')).toBeUndefined();
  });

  test('are as many as there is room for, those used last', () => {
    const contexts = createRecentContexts(100);
    for (const turn of ['resp_1', 'resp_2', 'resp_3', 'resp_4']) contexts.remember('a', turn, chainOf(25), undefined);
    contexts.find('a', 'resp_1');
    contexts.remember('a', 'resp_5', chainOf(25), undefined);
    const found = ['resp_1', 'resp_2', 'resp_3', 'resp_4', 'resp_5'].filter((turn) => contexts.find('a', turn));
    expect(found).toEqual(['resp_1', 'resp_3', 'resp_4', 'resp_5']);
  });

  test('take one place for one chain, and give it back', () => {
    const contexts = createRecentContexts(100);
    contexts.remember('a', 'resp_1', chainOf(20), undefined);
    contexts.remember('a', 'resp_2', chainOf(25), 'resp_1');
    expect(contexts.find('a', 'resp_1')).toBeUndefined();
    for (const turn of ['resp_3', 'resp_3', 'resp_4', 'resp_5']) contexts.remember('a', turn, chainOf(25), undefined);
    expect(contexts.find('a', 'resp_2')).toBeDefined();
    contexts.forget('a', 'resp_2');
    contexts.remember('a', 'resp_6', chainOf(25), undefined);
    expect(contexts.find('a', 'resp_2')).toBeUndefined();
    expect(contexts.find('a', 'resp_3')).toBeDefined();
    contexts.clear();
    expect(contexts.find('a', 'resp_3')).toBeUndefined();
  });

  test('are not remembered where one would drive out the others', () => {
    const contexts = createRecentContexts(100);
    contexts.remember('a', 'resp_1', chainOf(20), undefined);
    contexts.remember('a', 'resp_2', chainOf(26), 'resp_1');
    expect(contexts.find('a', 'resp_2')).toBeUndefined();
    expect(contexts.find('a', 'resp_1')).toBeUndefined();
  });
});
