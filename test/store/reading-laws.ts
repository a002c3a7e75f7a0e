import { expect, test } from 'vitest';
import { bucketOf } from '../../src/store/bucket.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, itemOf, linkTo, startMs } from './make.ts';

/** What is written is read back, exactly. */
export function readingLaws(bed: TestBed): void {
  const { newTenant, run, ids, envelopeBy } = bed;

  test('what was begun and committed is read back, with the ids of the turn', async () => {
    const { own } = newTenant();
    const intent = intentOf({ input: [itemOf('a'), itemOf('b', '{"protocol":"messages"}')] });
    await own.beginTurn(intent);
    const envelopeName = expect.any(String);
    const input = intent.input.map((item) => ({ ...item, turnId: intent.id, envelope: envelopeName }));
    const start = { sessionId: 'sess_1', status: 'in_progress' };
    const deployment = 'anthropic https://api.example.com claude-x';
    const place = { bucket: bucketOf(intent), anchor: intent.id, depth: 0, deployment };
    expect(await own.readContext(intent.id)).toEqual({ ...start, ...place, length: 2, items: input });
    const { head, envelope } = intent;
    expect(await own.readResponse(intent.id)).toEqual({ ...start, head, envelope, output: [] });

    const commit = commitOf(intent, { status: 'incomplete', output: [itemOf('c', '{"source":"{}"}'), itemOf('d')] });
    expect(await own.commitTurn(commit)).toBe('committed');
    const output = commit.output.map((item) => ({ ...item, turnId: intent.id, envelope: envelopeName }));
    const end = { sessionId: 'sess_1', status: 'incomplete' };
    expect(await own.readContext(intent.id)).toEqual({
      ...end,
      length: 4,
      ...place,
      items: [...input, ...output],
    });
    expect(await own.readResponse(intent.id)).toEqual({
      ...end,
      head: commit.head,
      envelope,
      output: commit.output,
    });
    expect(await own.readInput(intent.id)).toEqual(input);
    expect(await envelopeBy(own, intent.id)).toBe(envelope);
    expect(await own.readItem(commit.output[0]?.id ?? '')).toEqual(commit.output[0]);
  });

  test('a context tells what its newest turn was last tried on', async () => {
    const { own } = newTenant();
    const root = intentOf();
    await own.beginTurn(root);
    const second = attemptStartOf({ number: 2, provider: 'openai', apiBase: 'http://b', upstreamModel: 'a model: 2' });
    await own.nextAttempt(root.id, attemptEndOf(root.attempt.id, { status: 'failed' }), second);
    await own.commitTurn(commitOf(root, { attempt: attemptEndOf(second.id) }));
    expect((await own.readContext(root.id))?.deployment).toBe('openai http://b a model: 2');
    const child = intentOf();
    await run(own, { ...child, parent: linkTo(root, 2, child.id) });
    expect((await own.readContext(child.id))?.deployment).toBe('anthropic https://api.example.com claude-x');
  });

  test('a turn may have no input, no output and no envelope', async () => {
    const { own } = newTenant();
    const first = intentOf({ input: [], envelope: '' });
    await run(own, first, { output: [] });
    const child = intentOf();
    await run(own, { ...child, parent: linkTo(first, 0, child.id) });
    expect((await own.readContext(first.id))?.items).toEqual([]);
    expect(await own.readResponse(first.id)).toMatchObject({ status: 'completed', envelope: '', output: [] });
    expect(await envelopeBy(own, child.id)).toBe(child.envelope);
    expect((await own.readContext(child.id))?.items).toHaveLength(2);
  });

  test('forks see their ancestors only', async () => {
    const { own } = newTenant();
    const root = intentOf();
    const rootCommit = await run(own, root);
    const forks = [intentOf(), intentOf(), intentOf()];
    const outputs = await Promise.all(
      forks.map((fork) => run(own, { ...fork, parent: linkTo(root, 2, fork.id) }).then((commit) => commit.output)),
    );
    for (const [index, fork] of forks.entries()) {
      const context = await own.readContext(fork.id);
      expect(ids(context?.items)).toEqual(
        ids([...root.input, ...rootCommit.output, ...fork.input, ...(outputs[index] ?? [])]),
      );
      expect(context).toMatchObject({ anchor: root.id, depth: 1 });
      expect(await own.readInput(fork.id)).toEqual(context?.items.slice(0, -1));
    }
  });

  test('a turn that keeps less than its parent had is read with what it keeps', async () => {
    const { own } = newTenant();
    const root = intentOf({ input: [itemOf('a'), itemOf('b')] });
    const { output } = await run(own, root);
    const edited = intentOf();
    edited.parent = linkTo(root, 1, edited.id);
    const { output: answer } = await run(own, edited);
    const anchor = intentOf({ input: [...root.input, ...output] });
    anchor.parent = linkTo(edited, 0, anchor.id);
    const { output: last } = await run(own, anchor);
    expect(ids((await own.readContext(edited.id))?.items)).toEqual(
      ids([...root.input.slice(0, 1), ...edited.input, ...answer]),
    );
    await own.deleteResponse(root.id, startMs);
    await own.deleteResponse(edited.id, startMs);
    expect(await own.readContext(anchor.id)).toMatchObject({ anchor: anchor.id, depth: 0 });
    expect(ids((await own.readContext(anchor.id))?.items)).toEqual(ids([...root.input, ...output, ...last]));
  });

  test.each(['completed', 'incomplete', 'failed', 'cancelled'] as const)(
    'a turn that ended %s is read with that status and its partial output',
    async (status) => {
      const { own } = newTenant();
      const intent = intentOf();
      const commit = await run(own, intent, { status });
      expect((await own.readContext(intent.id))?.status).toBe(status);
      expect(await own.readResponse(intent.id)).toMatchObject({ status, output: commit.output });
    },
  );

  test.each([
    ['NUL', 'a\0b'],
    ['lone surrogates', '\ud800 and \udfff'],
    ['a pair', '\ud83d\ude00'],
    ['separators and escapes', '\u2028\u2029\\"\n\t\u0001\u007f'],
    ['not normalised', 'e\u0301 \u00e9 \ufeff'],
    ['3 MB', 'ab\u00e9😀'.repeat(600_000)],
    ['numbers as text', '18446744073709551615 1e400 -0'],
  ])('text comes back as it was: %s', async (_, text) => {
    const { own } = newTenant();
    const head = JSON.stringify({ id: 'resp', metadata: { text } });
    const envelope = JSON.stringify({ instructions: text });
    const intent = intentOf({ input: [itemOf(text, JSON.stringify({ source: text }))], head, envelope });
    const output = [itemOf(text)];
    await run(own, intent, { head, output });
    expect((await own.readContext(intent.id))?.items).toEqual(
      [...intent.input, ...output].map((item) => ({ ...item, turnId: intent.id, envelope: expect.any(String) })),
    );
    expect(await own.readResponse(intent.id)).toMatchObject({ head, envelope, output });
  });

  test('JSON with raw lone surrogates is kept as the same value', async () => {
    const { own } = newTenant();
    const body = '{"text":"cut \ud83d here, \udc00\\ud800\\\\"}';
    const intent = intentOf({ input: [{ ...itemOf(''), body }] });
    await run(own, intent);
    const stored = (await own.readContext(intent.id))?.items[0]?.body ?? '';
    expect(JSON.parse(stored)).toEqual(JSON.parse(body));
  });

  test('columns take any text that a client or an upstream sends', async () => {
    const { own } = newTenant();
    const intent = intentOf({ endUser: 'u\0\ud800', sessionId: 's\0' });
    await own.beginTurn(intent);
    const error = { code: 'upstream_error', message: 'bad \0 \udfff' };
    const attempt = attemptEndOf(intent.attempt.id, { status: 'failed', error, rawReply: '\0', upstreamId: '\0' });
    expect(await own.commitTurn(commitOf(intent, { status: 'failed', attempt }))).toBe('committed');
    expect(await own.listSession('s\0')).toHaveLength(1);
  });

  test('readFollowing gives what the model said next in the same turn, and nothing of what clients say', async () => {
    const { own } = newTenant();
    const [first, second, third] = [itemOf('first'), itemOf('second'), itemOf('third')];
    const intent = intentOf({ input: [itemOf('a'), itemOf('b')] });
    await run(own, intent, { output: [first, second] });
    const next = intentOf({ parent: linkTo(intent, 4, intent.id), input: [third] });
    await run(own, { ...next, parent: linkTo(intent, 4, next.id) });
    expect(await own.readFollowing(first.id)).toEqual(second);
    for (const { id } of [second, third, ...intent.input]) expect(await own.readFollowing(id)).toBeUndefined();
    expect(await own.deleteResponse(intent.id, startMs)).toBe(true);
    expect(await own.readFollowing(first.id)).toBeUndefined();
  });

  test('readItem gives the newest of equals', async () => {
    const { own } = newTenant();
    const item = itemOf('first');
    await run(own, intentOf({ input: [item] }));
    const newer = { ...item, body: '{"newer":true}' };
    const second = intentOf({ input: [newer] });
    await run(own, second);
    expect(await own.readItem(item.id)).toEqual(newer);
    expect(await own.deleteResponse(second.id, startMs)).toBe(true);
    expect(await own.readItem(item.id)).toEqual(item);
  });
}
