// The part of the package that the page uses, until the package itself is there.
declare module "runstate" {
  export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
  export type Status = "running" | "waiting_cc" | "paused" | "complete" | "error" | "cancelled";
  export type ErrorCode = string;
  export interface CommandOptions { commandId?: string; signal?: AbortSignal }
  export class RunstateError extends Error {
    readonly code: ErrorCode; readonly retryable: boolean; readonly collection?: string; readonly key?: string; readonly details?: Json;
  }
  export interface OpenOptions { timers?: "auto" | "off"; log?: string; requestPersistence?: boolean }
  export function open(url: string, options?: OpenOptions): Promise<Runstate>;
  export interface Change { collection: string; id: string; revision: string | null; deleted: boolean; command: string; position: string }
  export interface CvmChange { thing: string; id: string; executionId?: string; deleted: boolean; command: string; position: string }
  export interface Imported { [key: string]: unknown }
  export interface Driver extends EventTarget { readonly state: "leading" | "standby" | "off" }
  export class Runstate {
    readonly url: string; readonly cvm: Cvm; readonly driver: Driver;
    info(): Promise<{ [key: string]: Json }>; health(): Promise<RunstateError | null>;
    export(options?: { execution?: string }): Promise<Blob>;
    import(data: Blob | Uint8Array | string): Promise<Imported>;
    close(): Promise<void>;
  }
  export interface Summary { id: string; programName: string; programVersion: number; status: Status; prompt: string | null; openCalls: number; started: number; lastModified: number }
  export interface OpenCall { callId: string; step: number; prompt: string; args: Json; choices: Json[] | null; schema: Json; kind: string; key: string | null; deadline: number | null; default?: Json; owner: string | null; line: number; requestedAt: number; variables?: Json }
  export interface Execution { id: string; programName: string; programVersion: number; status: Status; output: string[]; result: Json; error: null | { message: string; name: string; line: number; column: number; stack: string[]; timestamp: number }; calls: OpenCall[]; stateHash: string; started: number; completed: number | null; lastModified: number; metrics: { instructionsExecuted: number; ccCallsCount: number; executionTimeMs: number } }
  export interface CallRow { id: string; executionId: string; programName: string; step?: number; kind: string; key?: string; prompt?: string; args?: Json; line?: number; askedAt?: number; deadline?: number; outcome?: string; result?: Json; answeredAt?: number; latencyMs?: number; by?: string; error?: { name?: string; message?: string } }
  export interface Paged<T> { rows: T[]; next?: string }
  export interface LoadedProgram { id: string; name: string; programVersion: number; changed: boolean }
  export class Cvm {
    load(p: { name: string; source: string }, o?: CommandOptions): Promise<LoadedProgram>;
    start(program: string, o?: { input?: Json; id?: string } & CommandOptions): Promise<Run>;
    run(id: string): Promise<Run>;
    list(o?: { status?: Status; program?: string; limit?: number }): Promise<Summary[]>;
    calls(o?: { execution?: string; open?: boolean; limit?: number; cursor?: string }): Promise<Paged<CallRow>>;
    version(name: string, version: number): Promise<{ source: string }>;
    changes(of?: { things?: string[]; executions?: string[]; signal?: AbortSignal }): AsyncIterable<CvmChange>;
  }
  export class Run {
    readonly id: string; readonly status: Status;
    answer(value: Json, o?: { call?: string; key?: string; occurrence?: number; by?: string } & CommandOptions): Promise<Run>;
    pause(o?: CommandOptions): Promise<Run>; unpause(o?: CommandOptions): Promise<Run>; cancel(o?: CommandOptions): Promise<Run>;
    retry(o?: CommandOptions): Promise<Run>; delete(o?: CommandOptions): Promise<void>;
    refresh(): Promise<Run>; show(): Promise<Execution>;
  }
}
