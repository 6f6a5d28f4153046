export { PUBLIC_COUNTERS, PUBLIC_NOUNS } from './public-words.ts';

/**
 * What the server does with plugins that come along without being told by name. Apart from index.ts, so that reading a configuration
 * loads none of them; the core knows plugins by what stands here alone.
 */
export const STANDING = {
  /** The gate. It stands first whatever the configuration says, so that nothing is done for a client that may not ask. */
  gate: 'access',
  /** The option of the gate that leaves clients without an answer. */
  gateDropsBy: { option: 'outsiders', value: 'drop' },
  /** What carries policy lists out, added where there are any: a list that nobody carries out would be a block that does not happen. */
  forPolicyLists: 'rpz',
  /** What keeps the server from being used against others. Left out by name (`NAME: false`), not by being forgotten. */
  protectsOthers: 'amp-shaper',
  /** Of a configuration without a section `plugins`, in this order. */
  byDefault: ['access', 'amp-shaper', 'sinkhole'],
} as const;
