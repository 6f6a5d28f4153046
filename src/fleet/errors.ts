/** Why a node of a fleet inspects nobody although it serves, and what a request to the fleet can meet. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const FLEET_ERRORS = {
  SEKISHO_FLEET_ABSENT: {
    status: 409,
    exitCode: 1,
    meaning: 'The configuration in force has no section `fleet`: this server stands alone.',
    remedy:
      'Add `fleet: { node: tokyo-1, postgres: { url-file: ./fleet.url } }` and start the server again; docs/fleet.md.',
  },
  SEKISHO_FLEET_CHANGED: {
    status: 422,
    exitCode: 1,
    meaning: 'The section `fleet` differs from the one that the server was started with; a reload cannot change it.',
    remedy: 'Restart the server. It leaves the fleet and joins it again by itself.',
  },
  SEKISHO_FLEET_NODE_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'The fleet has no node of that name.',
    remedy: '`sekisho fleet status` lists the nodes.',
  },
  SEKISHO_FLEET_NODE_LIVES: {
    status: 409,
    exitCode: 1,
    meaning: 'A node that is to be forgotten still reports to the fleet.',
    remedy: 'Stop it first; one that is stopped is forgotten at once.',
  },
  SEKISHO_FLEET_NAME_TAKEN: {
    status: 409,
    exitCode: 1,
    meaning:
      'Another data folder has joined the fleet under the name of this node. This one serves DNS and inspects nobody.',
    remedy:
      'Give this node another name (`fleet.node`). If it replaces the other one: stop that, then `sekisho fleet forget NODE` on any node.',
  },
  SEKISHO_FLEET_COPY: {
    status: 409,
    exitCode: 1,
    meaning:
      'Another process runs with the identity of this node: a copy of its data folder, or the same one twice. This one inspects nobody.',
    remedy: 'Stop one of them. A machine made from a copy of another gets an empty data folder and a name of its own.',
  },
  SEKISHO_FLEET_FORGOTTEN: {
    status: 409,
    exitCode: 1,
    meaning: 'This node was forgotten by the fleet (`sekisho fleet forget`). It serves DNS and inspects nobody.',
    remedy: 'Run `sekisho fleet init --reason TEXT` on it to join again, or take the section `fleet` away.',
  },
  SEKISHO_FLEET_OTHER_DATABASE: {
    status: 409,
    exitCode: 1,
    meaning: 'The database belongs to another fleet than the one that this node had joined. It inspects nobody.',
    remedy:
      'Compare the file with the URL with those of other nodes. To move to this database for good: `sekisho fleet init --reason TEXT`.',
  },
  SEKISHO_FLEET_OLDER_DATABASE: {
    status: 409,
    exitCode: 1,
    meaning:
      'A node remembers changes of consent that the database lacks: it was restored, or a standby took over that was behind. Nobody is inspected on any node.',
    remedy:
      'Run `sekisho fleet init --reason TEXT` on the node that the message names: it gives back what the database lacks.',
  },
  SEKISHO_FLEET_DIVERGED: {
    status: 409,
    exitCode: 1,
    meaning:
      'The consent ledger of a node and that of the fleet contradict each other, so the node inspects nobody: it had a ledger of its own before it joined, or one of the two was altered or restored.',
    remedy:
      'Find out why. `sekisho fleet init --reason TEXT` on the node carries its withdrawals into the fleet, puts its file aside and takes the fleet’s; `--dry-run` tells what would happen.',
  },
  SEKISHO_FLEET_LEDGER_ALTERED: {
    status: 500,
    exitCode: 1,
    meaning: 'The consent ledger in the database does not hold: an entry is missing, was altered or is malformed.',
    remedy:
      'Do not go on with it. Every node’s replica holds the chain: restore the database, then `sekisho fleet init` on the node that has most entries.',
  },
  SEKISHO_FLEET_UNCONFIRMED: {
    status: 503,
    exitCode: 1,
    meaning:
      'A change was not recorded by PostgreSQL in time. An opt-out acts on this node and is sent again until it is recorded.',
    remedy: 'Look at `sekisho fleet status`. Whoever asked for an opt-in asks again.',
  },
} as const satisfies Catalogue;

export const fleetError = errorsOf(FLEET_ERRORS);
