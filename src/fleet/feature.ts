/** One promise over many resolvers (`fleet` in the configuration), as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { FLEET_ERRORS } from './errors.ts';
import type { FleetSection } from './fleet-config.ts';
import type { FleetState } from './fleet-state.ts';

/** Lent to the features that share what they keep; undefined where the server stands alone. */
export const FLEET = declareFeature<FleetSection, FleetState | undefined>({
  name: 'fleet',
  errors: FLEET_ERRORS,
  status: async () => (await import('./status.ts')).FLEET_STATUS,
  sections: async () => (await import('./section/fleet-section.ts')).FLEET_SECTIONS,
  commands: { fleet: async () => (await import('./cli/fleet-command.ts')).fleetCommand },
  open: async (context) => (await import('./open.ts')).openFleet(context),
});
