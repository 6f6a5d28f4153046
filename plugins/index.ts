/** The plugins that come with Sekisho, by name in the configuration. Others are loaded with `module:` (src/plugins.ts). */
import type { Plugin } from '../src/plugin.ts';
import access from './access/index.ts';
import c2Block from './c2-block/index.ts';
import rpz from './rpz/index.ts';
import sinkhole from './sinkhole/index.ts';
import whoami from './whoami/index.ts';

export const builtInPlugins: readonly Plugin[] = [access, c2Block, rpz, sinkhole, whoami];
