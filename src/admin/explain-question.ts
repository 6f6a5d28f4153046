/**
 * The question of `sekisho explain`, from text as people write it.
 */
import { domainToASCII } from 'node:url';
import {
  AddressError,
  addressText,
  addressWords,
  type Endpoint,
  endpointText,
  parseEndpoint,
} from '../address/address.ts';
import { generalError, type SekishoError } from '../errors/errors.ts';
import { typeFromName } from '../wire/constants.ts';
import { NameError, nameToText, textToName } from '../wire/name.ts';
import type { ExplainQuestion } from './status.ts';

/** Throws SekishoError SEKISHO_REQUEST_INVALID, naming the parameter. */
export function parseExplainQuestion(name: string, type: string, client: string): Omit<ExplainQuestion, 'listener'> {
  const number = typeFromName(type);
  if (number === undefined)
    throw invalid(`type: '${type}' is not a record type; write A, AAAA, HTTPS, TYPE65 or the like`);
  try {
    return { name: nameToText(textToName(aLabels(name))), type: number, client: addressText(addressWords(client)) };
  } catch (error) {
    if (error instanceof NameError) throw invalid(`name: ${error.message}`);
    if (error instanceof AddressError) throw invalid(`client: ${error.message}`);
    throw error;
  }
}

/** Place in `listen` of the listener meant by `text`; the first one unless it is given. Throws as above. */
export function parseListener(text: string | undefined, listen: readonly Endpoint[]): number {
  if (text === undefined) return 0;
  const known = listen.map(endpointText);
  try {
    const place = known.indexOf(endpointText(parseEndpoint(text, { defaultPort: 53 })));
    if (place >= 0) return place;
  } catch (error) {
    if (error instanceof AddressError) throw invalid(`listener: ${error.message}`);
    throw error;
  }
  throw invalid(`listener: '${text}' is no address of server.listen (${known.join(', ')})`);
}

/** A name beyond ASCII in the form that is asked for on the wire (RFC 5891). */
function aLabels(name: string): string {
  return /^[\x00-\x7f]*$/.test(name) ? name : domainToASCII(name) || name;
}

function invalid(message: string): SekishoError {
  return generalError('SEKISHO_REQUEST_INVALID', message);
}
