/** What `sekisho status` tells of the fleet; `sekisho fleet status` tells more. */
import { counted } from '../errors/counted.ts';
import { statusPart } from '../feature/status.ts';
import { fleetSchema } from './view.ts';

export const FLEET_STATUS = statusPart(
  { fleet: fleetSchema.nullable().describe('Null where the server stands alone.') },
  ({ fleet }) => {
    if (!fleet) return [];
    const silent = fleet.nodes.filter(({ state }) => state === 'silent').map(({ name }) => name);
    const fence = fleet.fenced ? 'FENCED: nobody is inspected' : 'fence up';
    const others = silent.length > 0 ? `, silent: ${silent.join(', ')}` : '';
    return [['fleet', `node ${fleet.node} of ${counted(fleet.nodes.length, 'node')}, ${fence}${others}`]];
  },
);
