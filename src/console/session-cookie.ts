/** The cookie of a console session: not for scripts, not for other sites, and only over TLS where the page came so. */
import cookies from '@fastify/cookie';
import type { FastifyRequest } from 'fastify';

const NAME = 'sekisho_session';
/** RFC 6265bis §4.1.3.2: the browser takes it with Secure, Path=/ and no Domain alone. */
const SECURE_NAME = `__Host-${NAME}`;

/** What the browser holds; undefined where it holds none. */
export function sessionIdOf(request: FastifyRequest): string | undefined {
  const { cookie } = request.headers;
  if (cookie === undefined) return undefined;
  const held = cookies.fastifyCookie.parse(cookie);
  return held[isOverTls(request) ? SECURE_NAME : NAME];
}

/** The header that sets it; without `id`, that takes it away. */
export function sessionCookie(request: FastifyRequest, id: string | undefined): string {
  const secure = isOverTls(request);
  return cookies.fastifyCookie.serialize(secure ? SECURE_NAME : NAME, id ?? '', {
    httpOnly: true,
    sameSite: 'strict',
    path: '/',
    secure,
    // Without an age it ends with the browser; the session itself ends here.
    ...(id === undefined && { maxAge: 0 }),
  });
}

/** The admin listener speaks no TLS: a proxy in front does, and says so. Whoever claims it falsely only binds their own cookie. */
function isOverTls(request: FastifyRequest): boolean {
  const { 'x-forwarded-proto': forwarded } = request.headers;
  return typeof forwarded === 'string' && forwarded.split(',')[0]?.trim().toLowerCase() === 'https';
}
