/** The plugins that come with Sekisho, by name in the configuration. Others are loaded with `module:` (src/loading/plugins.ts). */
import type { Plugin } from '../src/contract/plugin.ts';
import access from './access/index.ts';
import ampShaper from './amp-shaper/index.ts';
import c2Block from './c2-block/index.ts';
import dns64 from './dns64/index.ts';
import dnstap from './dnstap/index.ts';
import queryHistory from './query-history/index.ts';
import randomSubdomain from './random-subdomain/index.ts';
import rpz from './rpz/index.ts';
import sinkhole from './sinkhole/index.ts';
import whoami from './whoami/index.ts';

export const builtInPlugins: readonly Plugin[] = [
  access,
  ampShaper,
  c2Block,
  dns64,
  dnstap,
  queryHistory,
  randomSubdomain,
  rpz,
  sinkhole,
  whoami,
];
