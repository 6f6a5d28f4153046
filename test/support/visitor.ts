/** A browser without a screen: HTTP requests from an address of one's own, with a Host header of one's own, and cookies. */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface Visit {
  method?: string;
  path?: string;
  /** Host header; none unless given: the address itself. */
  host?: string;
  headers?: Record<string, string>;
  /** Sent as a form. */
  form?: Record<string, string>;
}

export interface Visited {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Someone who comes from `from` and keeps cookies. */
export class Visitor {
  readonly from: string;
  readonly port: number;
  readonly cookies = new Map<string, string>();

  constructor(from: string, port: number) {
    this.from = from;
    this.port = port;
  }

  visit({ method, path = '/', host, headers = {}, form }: Visit = {}): Promise<Visited> {
    const body = form && new URLSearchParams(form).toString();
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.port,
          localAddress: this.from,
          path,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          agent: false,
          timeout: 10_000,
          headers: {
            ...(host !== undefined && { host }),
            ...(cookie !== '' && { cookie }),
            ...(body !== undefined && {
              'content-type': 'application/x-www-form-urlencoded',
              'content-length': String(Buffer.byteLength(body)),
            }),
            ...headers,
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () => {
            this.#keep(response.headers['set-cookie'] ?? []);
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
          });
        },
      );
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
      sent.end(body);
    });
  }

  #keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}

/** Fields of the form of a page whose button is called `action`, that button included. */
export function formOf(page: string, action: string, purpose = 'c2'): Record<string, string> {
  const forms = page.split('<form').slice(1);
  const found = forms.find((form) => form.includes(`value="${action}"`) && form.includes(`value="${purpose}"`));
  if (found === undefined) throw new Error(`the page has no form for ${action} of ${purpose}`);
  const fields = [...found.matchAll(/name="([a-z]+)" value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  return Object.fromEntries(fields);
}
