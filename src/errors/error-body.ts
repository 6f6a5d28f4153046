/** An error as it goes over HTTP; its schema is in api-schema.ts. */
import type { ErrorBody } from './api-schema.ts';
import type { SekishoError } from './errors.ts';

export function errorBody({ code, message, remedy, details }: SekishoError): ErrorBody {
  return { error: { code, message, remedy, ...(details.length > 0 && { details: [...details] }) } };
}
