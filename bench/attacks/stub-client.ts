/** A client as it is in the world: asks over UDP, again when nothing comes, over TCP after TC, with its cookie after BADCOOKIE. */
import { type Ask, askTcp, exchangeDatagram, queryBytes, readReply } from '../../test/support/dns-client.ts';

const TRIES = 3;
const TRY_MS = 1000;
const COOKIE = 10;
const BADCOOKIE = 23;

export class StubClient {
  readonly #port: number;
  readonly #address: string;
  /** Client cookie, with the server's behind it once there is one; undefined: knows no cookies. */
  #cookie: Buffer | undefined;
  asked = 0;
  answered = 0;

  constructor(port: number, address: string, withCookies: boolean) {
    this.#port = port;
    this.#address = address;
    this.#cookie = withCookies ? Buffer.from(address.split('.').concat(address.split('.')).map(Number)) : undefined;
  }

  /** Counts as answered when records of an answer came in the end. */
  async ask(name: string, type: string): Promise<void> {
    this.asked++;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (await this.#try(name, type)) {
        this.answered++;
        return;
      }
    }
  }

  async #try(name: string, type: string): Promise<boolean> {
    const options = this.#cookie ? [{ code: COOKIE, data: this.#cookie }] : [];
    const ask: Ask = { name, type, udpSize: 1232, options };
    const where = { port: this.#port, from: this.#address, timeoutMs: TRY_MS };
    const bytes = await exchangeDatagram(queryBytes(ask), where);
    if (bytes === undefined) return false;
    const reply = readReply(bytes);
    const cookie = (reply.opt?.options as unknown as { code: number; data: Buffer }[] | undefined)?.find(
      ({ code }) => code === COOKIE,
    );
    if (cookie && this.#cookie) this.#cookie = cookie.data;
    if (reply.rcode === BADCOOKIE) return this.#try(name, type);
    if (!reply.tc) return reply.answers.length > 0;
    return askTcp({ name, type }, where).then(
      ({ answers }) => answers.length > 0,
      () => false,
    );
  }
}
