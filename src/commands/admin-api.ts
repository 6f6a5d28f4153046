/** The admin API of the running server, as a command asks it. */
export interface AdminApi {
  /** GET `path`. Throws SekishoError, worded for the person at the terminal. */
  get<Body>(path: string, options?: SendOptions): Promise<Body>;
  /** Any request, with `content` as its JSON body where there is one. It waits as long as the server lives. */
  send<Body>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    content?: unknown,
    options?: SendOptions,
  ): Promise<Body>;
}

export interface SendOptions {
  /** What a person is told while the server is at work on it, from the third second on. */
  readonly doing?: string;
  /** For work during which the server cannot even answer its health check: how long that may last. */
  readonly silentMs?: number;
  /** A status that is no error to the caller. */
  readonly alsoTaken?: number;
}
