/**
 * What the log may say of something that was thrown. The text of an error is somebody else's: a plugin's, or a parser's that was
 * fed with what a client sent; it may hold a query's name or a client's address, and the log at `info` and above holds neither.
 * So the log gets the kind of the error and the places in the code; its text goes to `debug`.
 */
import { ERROR_CODE, errorText, SekishoError } from './errors.ts';

export interface Fault {
  /** Kind of the error; its code where it is one of ours. */
  readonly error: string;
  /** Lines of the stack, without the text above them; of what was thrown first, where an error of ours tells of that. */
  readonly places: readonly string[];
}

/** Kinds that the language and Node.js make. A name that anybody can set may hold anything. */
const KINDS = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'EvalError', 'URIError', 'AggregateError'];
const MAX_PLACES = 10;
/** Errors that tell of another one; a chain may be a circle. */
const MAX_CAUSES = 8;
/** `    at function (file:line:column)`; the name of a function and a path are the code's own. */
const PLACE = /^\s+at [\w$.<>[\]# ]*\(?(?:file:\/\/|node:|\/|[A-Za-z]:\\)[^\s()]*:\d+:\d+\)?$/;

export function faultOf(thrown: unknown): Fault {
  if (!(thrown instanceof Error)) return { error: `a thrown ${typeof thrown}`, places: [] };
  const error =
    thrown instanceof SekishoError && ERROR_CODE.test(thrown.code)
      ? thrown.code
      : (KINDS.find((kind) => kind === thrown.name) ?? 'Error');
  let origin = thrown;
  for (let i = 0; i < MAX_CAUSES && origin.cause instanceof Error; i++) origin = origin.cause;
  const places = placesOf(origin);
  return { error, places: places.length > 0 ? places : placesOf(thrown) };
}

function placesOf({ stack }: Error): string[] {
  const lines = typeof stack === 'string' ? stack.split('\n') : [];
  const places = lines.filter((line) => PLACE.test(line)).slice(0, MAX_PLACES);
  return places.map((line) => line.trim());
}

/** For `debug`. Never throws. */
export function faultText(thrown: unknown): string {
  try {
    return errorText(thrown);
  } catch {
    return 'something that has no text';
  }
}
