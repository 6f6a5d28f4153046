/** `fleet` in the configuration: this node's name, the PostgreSQL that all nodes share, and the fence. */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { errorText } from '../../errors/errors.ts';
import type { LoadedSections, Sections, SectionsContext } from '../../feature/sections.ts';
import { check } from '../../settings/problems.ts';
import { durationMs } from '../../settings/units.ts';
import { readEngineUrl } from '../engine/url.ts';
import type { FleetConfig } from '../fleet-config.ts';

const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export const fleetSchema = z.strictObject({
  node: z
    .string()
    .regex(NODE_NAME, 'a node is named with up to 32 lower-case letters, digits and dashes, such as tokyo-1')
    .describe('Name of this node, such as `tokyo-1`; no other node of the fleet has it.'),
  postgres: z
    .strictObject({
      'url-file': z
        .string()
        .min(1)
        .describe(
          'File whose one line is `postgres://USER:PASSWORD@HOST:5432/DATABASE`; mode 0600. Every node names the same database.',
        ),
      'ca-file': z
        .string()
        .min(1)
        .optional()
        .describe("CA that signed PostgreSQL's certificate (PEM); without this key those that Node.js trusts."),
      tls: z
        .enum(['auto', 'off'])
        .default('auto')
        .describe(
          '`auto`: TLS with a certificate that is checked, except to this very machine. `off`: never; for a network of your own alone.',
        ),
      pool: z.int().min(2).max(100).default(4).describe('Connections besides the one that listens.'),
      'statement-timeout': durationMs({ min: '100ms', max: '1m' })
        .prefault('5s')
        .describe('A statement that takes longer is given up.'),
      'connect-timeout': durationMs({ min: '100ms', max: '1m' })
        .prefault('3s')
        .describe('A connection that takes longer to open is given up.'),
    })
    .describe('The database that the nodes share.'),
  fence: durationMs({ min: '300ms', max: '1m' })
    .prefault('1s')
    .describe(
      'How long this node inspects without having heard from PostgreSQL; then nobody is inspected until it has. Also the longest that an opt-out waits for a node that says nothing.',
    ),
  lists: z
    .strictObject({
      canary: z
        .string()
        .regex(NODE_NAME)
        .optional()
        .describe(
          'Node that has each new version of a list first; the others keep theirs meanwhile. Without this key the first node whose guard passes it lets it in everywhere.',
        ),
      watch: durationMs({ min: '1s', max: '1d' })
        .prefault('10m')
        .describe('How long the canary has a new version alone.'),
    })
    .prefault({})
    .describe('How new versions of lists come into force over the nodes.'),
  'ready-with-fence': z
    .boolean()
    .default(false)
    .describe(
      '`/readyz` says no while the fence has run out. Left off, because DNS goes on: a fault of PostgreSQL would take every node out of anycast.',
    ),
});

export const FLEET_SECTIONS: Sections = {
  schemas: {
    fleet: fleetSchema
      .optional()
      .describe(
        'One promise over many resolvers, on PostgreSQL (docs/fleet.md). Without this key the server stands alone.',
      ),
  },
  load: loadFleet,
};

function loadFleet(raw: Readonly<Record<string, unknown>>, { found, source }: SectionsContext): LoadedSections {
  if (!Object.hasOwn(raw, 'fleet')) return { values: {}, problems: [] };
  const { data, problems = [] } = check(fleetSchema, raw['fleet'] ?? {}, source, ['fleet']);
  if (!data) return { problems };
  const place = (file: string) => resolve(found.baseFolder, file);
  const urlFile = place(data.postgres['url-file']);
  const caFile = data.postgres['ca-file'] === undefined ? undefined : place(data.postgres['ca-file']);
  const wrong = [
    problemOf('url-file', () => readEngineUrl(urlFile)),
    caFile === undefined ? undefined : problemOf('ca-file', () => accessSync(caFile, constants.R_OK)),
  ].flatMap((problem) => (problem ? [source.problem(['fleet', 'postgres', problem.key], problem.message)] : []));
  if (wrong.length > 0) return { problems: wrong };
  const fleet: FleetConfig = {
    node: data.node,
    postgres: {
      urlFile,
      ...(caFile !== undefined && { caFile }),
      tls: data.postgres.tls,
      pool: data.postgres.pool,
      statementTimeoutMs: data.postgres['statement-timeout'],
      connectTimeoutMs: data.postgres['connect-timeout'],
    },
    fenceMs: data.fence,
    lists: { canary: data.lists.canary, watchMs: data.lists.watch },
    readyWithFence: data['ready-with-fence'],
  };
  const dangers =
    data.postgres.tls === 'off'
      ? [
          {
            path: ['fleet', 'postgres', 'tls'],
            message: 'who consents to what crosses the network to PostgreSQL unencrypted',
          },
        ]
      : [];
  return { values: { fleet }, problems: [], dangers };
}

function problemOf(key: string, read: () => unknown): { key: string; message: string } | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return { key, message: errorText(error) };
  }
}
