/**
 * The compiler of lists, as the main thread uses it: a thread of its own does the work, so that nothing here waits for a
 * million names. It is begun with the first request and stays: warm, it
 * needs half the time, and nobody else's, for new code is made ready by threads of V8 that do not step back for packets.
 */
import { Worker } from 'node:worker_threads';
import { libc, M_MMAP_THRESHOLD, nativeUnavailable } from '../system/libc.ts';
import type { SpareBuffers } from './compile.ts';
import type { ParseSummary } from './formats/parser.ts';
import type { ListScan } from './guard/scan.ts';
import type { CompiledLists } from './in-force.ts';
import type { SuffixKey } from './index/suffix-hash.ts';
import type { ListConfig } from './list-config.ts';

/** One list to be read. */
export interface ListInput {
  /** Its bit. */
  readonly index: number;
  readonly list: ListConfig;
  readonly path: string;
  /** Rules that the guard finds fault with are left out. */
  readonly withoutOffenders?: boolean;
}

export interface CompileRequest {
  readonly version: number;
  /** Where unchanged lists are taken from. */
  readonly previous?: CompiledLists;
  /** Mask of the lists that are taken from there. */
  readonly keep: number;
  readonly read: readonly ListInput[];
  /** Packets are being served meanwhile, and come first. */
  readonly background: boolean;
  /** Memory to build in. */
  readonly spare: SpareBuffers;
}

export interface CompileResult {
  readonly compiled: CompiledLists;
  /** Of the lists that were read, in their order. */
  readonly read: readonly { readonly index: number; readonly parsed: ParseSummary; readonly scan: ListScan }[];
  readonly elapsedMs: number;
}

/** A rule to be found in a list's source: a name (`*.` before it: below it), or a network. */
export interface SoughtRule {
  readonly trigger: 'qname' | 'nsdname' | 'client-ip' | 'ip' | 'nsip';
  readonly rule: string;
}

export interface FoundLine {
  readonly trigger: SoughtRule['trigger'];
  readonly rule: string;
  /** From 1. */
  readonly line: number;
  /** The line itself, safe to show. */
  readonly text: string;
}

export interface ListsCompiler {
  /** Rejects where a file cannot be read or the lists are too large. */
  compile(request: CompileRequest): Promise<CompileResult>;
  /** In which lines of the list the rules stand; at most a few of each. */
  locate(input: ListInput, sought: readonly SoughtRule[]): Promise<FoundLine[]>;
  close(): Promise<void>;
}

/** The compiler thread's `workerData`. */
export interface CompilerSettings {
  readonly key: SuffixKey;
  readonly popularNamesFile: string;
}

export type ToCompiler =
  | { readonly type: 'compile'; readonly id: number; readonly request: CompileRequest }
  | { readonly type: 'locate'; readonly id: number; readonly input: ListInput; readonly sought: readonly SoughtRule[] };

export type FromCompiler =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: string };

/**
 * Once a large block was freed, glibc keeps blocks of that size for the next time (mallopt(3), M_MMAP_THRESHOLD): 20 MiB after a
 * million names. Told its usual threshold, it leaves that be.
 */
function giveBackFreedMemory(): void {
  if (nativeUnavailable() === undefined) libc().mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

/** Little is made per name; V8 would take up to 48 MiB for it and keep them. */
const YOUNG_MIB = 3;

export function threadCompiler(settings: CompilerSettings): ListsCompiler {
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  let thread: Worker | undefined;
  let serial = 0;

  function running(): Worker {
    if (thread) return thread;
    giveBackFreedMemory();
    const started = new Worker(new URL('./compiler-thread.js', import.meta.url), {
      workerData: settings,
      name: 'sekisho-compiler',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    let failure = new Error('the compiler of lists ended');
    started.on('message', (message: FromCompiler) => {
      const request = waiting.get(message.id);
      waiting.delete(message.id);
      // Idle, it keeps nobody from ending.
      if (waiting.size === 0) started.unref();
      if ('failure' in message) request?.reject(new Error(message.failure));
      else request?.resolve(message.result as never);
    });
    started.on('error', (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    started.on('exit', () => {
      if (thread !== started) return;
      thread = undefined;
      for (const { reject } of waiting.values()) reject(failure);
      waiting.clear();
    });
    thread = started;
    return started;
  }

  function ask<Result>(make: (id: number) => ToCompiler): Promise<Result> {
    const id = ++serial;
    return new Promise<Result>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      const compiler = running();
      compiler.ref();
      compiler.postMessage(make(id));
    });
  }

  return {
    compile: (request) => ask((id) => ({ type: 'compile', id, request })),
    locate: (input, sought) => ask((id) => ({ type: 'locate', id, input, sought })),
    close: async () => {
      await thread?.terminate();
    },
  };
}
