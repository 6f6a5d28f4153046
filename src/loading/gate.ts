import { STANDING } from '../../plugins/standing.ts';

/** A configuration, as far as it is looked at here. */
interface Gated {
  readonly plugins: readonly { readonly name: string; readonly options?: unknown }[];
  readonly views: readonly { readonly access?: unknown }[];
}

/**
 * Clients outside `server.access` get nothing at all, wherever they ask: their packets may be dropped by whoever sees them
 * first. Not where a view has an access list of its own, which decides by more than the source.
 */
export function outsidersAreDropped({ plugins, views }: Gated): boolean {
  const gate = plugins.find(({ name }) => name === STANDING.gate);
  const { option, value } = STANDING.gateDropsBy;
  const options = gate?.options as Readonly<Record<string, unknown>> | undefined;
  return options?.[option] === value && views.every(({ access }) => access === undefined);
}
