/**
 * What can be said of the place for the frames before the first one comes. A reader that is not there yet, or a disk that
 * fills up later, is waited for; a place that can never be right is a mistake of the configuration, which start and reload refuse.
 */

import { closeSync, lstatSync, openSync, statSync, unlinkSync } from 'node:fs';
import { errorText } from '../../src/contract/plugin.ts';

/** Bytes of a path that fit into a unix socket's address (unix(7), sun_path without its end). */
const LONGEST_SOCKET_PATH = 107;

/** Throws where nothing can ever be written to `file`, or nobody ever listen at `socket`. */
export function refuseWrongPlace(socket: string | undefined, file: string | undefined): void {
  if (socket !== undefined) refuseWrongSocket(socket);
  if (file !== undefined) refuseWrongFile(file);
}

function refuseWrongSocket(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > LONGEST_SOCKET_PATH)
    throw new Error(`socket '${path}' has ${bytes} bytes; a unix socket's path has ${LONGEST_SOCKET_PATH} at most`);
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && !there.isSocket()) throw new Error(`socket '${path}' exists and is not a unix socket`);
}

function refuseWrongFile(path: string): void {
  // Not followed: the sink puts a file aside, never what a link leads to.
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there && !there.isFile()) throw new Error(`file '${path}' exists and is not a regular file`);
  if (there) return;
  try {
    closeSync(openSync(path, 'wx', 0o600));
    unlinkSync(path);
  } catch (error) {
    throw new Error(`file '${path}' cannot be made: ${errorText(error)}`);
  }
}
