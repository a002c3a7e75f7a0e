import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GatewayError } from '../../core/errors.ts';
import { storeError } from './store-error.ts';
import { unavailable } from '../unavailable.ts';
import type { WriteOp, WriteResult, WriteResults, WriterData, WriterMessage, WriterRequest } from './write-op.ts';

export interface Writer {
  /** Resolves when the transaction that holds the write is committed. */
  submit<Op extends WriteOp>(op: Op): Promise<WriteResults[Op['kind']]>;
  /** Waits for what was submitted, then closes the file. */
  close(): Promise<void>;
}

interface Pending {
  op: WriteOp;
  isLong: boolean;
  resolve: (result: WriteResult) => void;
  reject: (error: GatewayError) => void;
}

/** The most writes in one transaction: bounds how long the first of them waits for the last. */
const maxGroup = 256;

/** What takes SQLite longer than a group of others takes it. */
const longCharacters = 512 * 1024;

function isLong(op: WriteOp): boolean {
  if (!('items' in op)) return false;
  let characters = 0;
  for (const value of op.items) if (typeof value === 'string') characters += value.length;
  return characters > longCharacters;
}

/**
 * What a group brings is no use once it is written: the least young generation takes it, where one that may grow would take 20 MB
 * for no less work.
 * @see docs/decisions/2026-11-30-memory-for-speed.md
 */
const resourceLimits = { maxYoungGenerationSizeMb: 3 };

/** Sources run unbundled; the build puts the threads' files beside the bundle. */
const urlOf = (thread: string) =>
  new URL(`./${thread}${import.meta.url.endsWith('.ts') ? '.ts' : '.mjs'}`, import.meta.url);

/**
 * The main thread's side of the writer thread. What is submitted while a group is being written makes the next group, so
 * that groups grow with the load, and a group is one message each way.
 * @throws GatewayError `store_unavailable` where the file cannot be opened for writing.
 */
export async function createWriter(data: WriterData, thread: URL = urlOf('writer-thread')): Promise<Writer> {
  const worker = new Worker(thread, { name: 'turnpike-writer', workerData: data, resourceLimits });
  let queue: Pending[] = [];
  let running: Pending[] = [];
  let pumpScheduled = false;
  /** A long write waits, and others went before it. */
  let passedOver = false;
  /** Set: nothing more is taken. */
  let refused: GatewayError | undefined;
  /** Set: the thread answers nothing more. */
  let dead: GatewayError | undefined;
  let closing: Promise<void> | undefined;
  let onIdle = () => {};

  const fail = (error: GatewayError) => {
    if (dead !== undefined) return;
    dead = error;
    refused ??= error;
    const lost = [...running, ...queue];
    running = [];
    queue = [];
    for (const { reject } of lost) reject(error);
    onIdle();
  };
  const post = (request: WriterRequest) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(request);
  };

  /** Begun by the first long write. One that has failed is not missed: the writer folds the log as well, only later. */
  let folder: Worker | undefined;
  const foldLog = () => {
    if (closing !== undefined) return;
    folder ??= new Worker(urlOf('checkpoint-thread'), {
      name: 'turnpike-checkpoint',
      workerData: data.path,
      resourceLimits,
    }).on('error', () => {});
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    folder.postMessage('fold');
  };

  const pump = () => {
    pumpScheduled = false;
    if (running.length > 0 || dead !== undefined) return;
    if (queue.length === 0) {
      onIdle();
      return;
    }
    running = takeGroup();
    post(running.map(({ op }) => op));
  };

  /** A long write goes by itself, behind the others that wait, but behind one group of them only. */
  const takeGroup = (): Pending[] => {
    const long = queue.findIndex(({ isLong }) => isLong);
    if (long === -1) return queue.splice(0, maxGroup);
    const others = passedOver ? [] : queue.filter(({ isLong }) => !isLong).slice(0, maxGroup);
    passedOver = others.length > 0;
    if (!passedOver) return queue.splice(long, 1);
    const taken = new Set(others);
    queue = queue.filter((pending) => !taken.has(pending));
    return others;
  };

  const settle = (results: Extract<WriterMessage, { type: 'done' }>['results']) => {
    const group = running;
    running = [];
    if (group.some((pending) => pending.isLong)) foldLog();
    // First the next group, then the answers: the thread writes while the callers run.
    pump();
    for (const [index, { resolve, reject }] of group.entries()) {
      const result = results[index];
      if (typeof result === 'object' && 'errcode' in result) reject(storeError(result));
      else if (result === undefined) reject(unavailable('its writer thread lost an answer'));
      else resolve(result);
    }
  };

  worker.on('error', (error) => fail(storeError({ message: error.message, errcode: 0 })));
  worker.on('exit', () => fail(unavailable('its writer thread has ended')));
  await new Promise<void>((resolve, reject) => {
    onIdle = () => reject(dead ?? unavailable('its writer thread has ended'));
    worker.on('message', (message: WriterMessage) => {
      if (message.type === 'done') settle(message.results);
      else if (message.type === 'ready') resolve();
      else reject(storeError(message.failure));
    });
  });
  onIdle = () => {};

  const close = async () => {
    refused ??= unavailable('it is closed');
    if (dead === undefined) {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
        pump();
      });
    }
    // The writer's connection to the file is to be the last but the reader's.
    if (folder !== undefined) await folder.terminate();
    if (dead !== undefined) return;
    const exited = once(worker, 'exit');
    post('close');
    await exited;
  };

  return {
    submit<Op extends WriteOp>(op: Op) {
      return new Promise<WriteResults[Op['kind']]>((resolve, reject) => {
        if (refused !== undefined) {
          reject(refused);
          return;
        }
        // The thread answers an op with the result of its own kind; the list it answers in cannot say so to the compiler.
        queue.push({ op, isLong: isLong(op), resolve: resolve as Pending['resolve'], reject });
        if (pumpScheduled || running.length > 0) return;
        pumpScheduled = true;
        // Not at once: what other connections bring in this round of the event loop goes along.
        setImmediate(pump);
      });
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
