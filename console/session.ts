/** Who is logged in, and the calls to the admin API that this makes possible. */
import type { Operation, View } from '../src/console/views.ts';

export interface Session {
  readonly name: string;
  readonly roles: readonly string[];
  readonly views: readonly View[];
  readonly may: readonly Operation[];
  readonly csrf: string;
  readonly secondsLeft: number;
}

/** What the API says when it refuses: what is wrong, and what to do about it. */
export class ApiError extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly details: readonly string[];
  readonly status: number;

  constructor(status: number, body: { code?: string; message?: string; remedy?: string; details?: string[] }) {
    super(body.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? '';
    this.remedy = body.remedy ?? '';
    this.details = body.details ?? [];
  }

  /** The server was not reached, or something in between answered in its place. */
  get unreachable(): boolean {
    return this.status === 0 || (this.code === '' && this.status >= 500);
  }
}

let session: Session | undefined;
let ended: () => void = () => {};
/** Somebody acted since the server was last told: what the page asks by itself does not keep a session from ending. */
let acted = true;

export function takeSession(next: Session | undefined): void {
  session = next;
}

export function onEnded(tell: () => void): void {
  ended = tell;
}

export function noteActivity(): void {
  for (const event of ['pointerdown', 'keydown'] as const)
    addEventListener(event, () => {
      acted = true;
    });
}

export async function readSession(): Promise<{ version: string; session: Session | null }> {
  return request('GET', '/console/session');
}

export async function login(token: string): Promise<{ version: string; session: Session | null }> {
  return request('POST', '/console/session', { token });
}

export async function logout(): Promise<void> {
  await request('DELETE', '/console/session');
  takeSession(undefined);
}

export interface Asked {
  /** Parts of the path, such as `name` of `/v1/lists/:name/held`. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: object;
}

export function may(operation: Operation): boolean {
  return session?.may.includes(operation) ?? false;
}

/** Rejects with ApiError. There is no call that the views' table does not name. */
export function ask<Answer>(operation: Operation, { path = {}, query = {}, body }: Asked = {}): Promise<Answer> {
  const [method = '', pattern = ''] = operation.split(' ');
  const filled = pattern.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(path[name] ?? ''));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return request(method, search === '' ? filled : `${filled}?${search}`, body);
}

async function request<Answer>(method: string, url: string, body?: object): Promise<Answer> {
  const byItself = !acted;
  acted = false;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(session && method !== 'GET' && { 'x-sekisho-csrf': session.csrf }),
        ...(byItself && { 'x-sekisho-by-itself': '1' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      credentials: 'same-origin',
      redirect: 'error',
    });
  } catch {
    throw new ApiError(0, {});
  }
  const text = await response.text();
  let answer: { error?: object } = {};
  try {
    answer = JSON.parse(text) as { error?: object };
  } catch {
    if (response.ok) throw new ApiError(response.status, { message: 'the answer is no JSON' });
  }
  if (response.ok) return answer as Answer;
  if (response.status === 401 && session) ended();
  throw new ApiError(response.status, answer.error ?? {});
}
