/** Section `dnssec`: the keys, and from what stands there to a `DnssecConfig`. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { BUILT_IN_ANCHORS } from '../../resolve/validate/trust-anchors.ts';
import { type Found, readText } from '../../settings/found.ts';
import { check } from '../../settings/problems.ts';
import type { ConfigProblem, ConfigSource } from '../../settings/yaml-source.ts';
import { NameError, textToName } from '../../wire/name.ts';
import { type AnchorRecord, type DnssecConfig, NO_VALIDATION } from '../dnssec-config.ts';
import { readAnchorFile } from './anchor-file.ts';

export const dnssecSchema = z
  .strictObject({
    validate: z
      .boolean()
      .default(true)
      .describe(
        'Validate every answer from a trust anchor down (RFC 4033–4035): what is bogus is answered SERVFAIL, what is secure with AD.',
      ),
    'trust-anchor': z
      .string()
      .min(1)
      .optional()
      .describe(
        "File of trust anchors, DS or DNSKEY records in zone-file form; read at the start and at each reload. Without it: the root's keys, as IANA publishes them. Relative to the configuration.",
      ),
    'follow-rollovers': z
      .boolean()
      .default(true)
      .describe(
        'Take over new keys of the anchors’ zones, and drop revoked ones, by RFC 5011; what was learnt is kept in the data folder.',
      ),
    insecure: z
      .array(z.string().min(1))
      .max(1000)
      .default([])
      .describe(
        'Zones that are not validated, they and all below: private ones that `zones` forwards and that the public tree denies. For a zone that is broken for a while, `sekisho dnssec except` makes an exception that ends.',
      ),
    'aggressive-nsec': z
      .boolean()
      .default(true)
      .describe(
        'Answer names that verified NSEC and NSEC3 records prove not to exist, or to lack a type, without asking anybody (RFC 8198).',
      ),
    'sha1-digests': z
      .boolean()
      .default(true)
      .describe(
        'Let SHA-1 digests (type 1) count in DS records where there is no stronger one; `false` treats such zones as unsigned.',
      ),
  })
  .optional()
  .describe('DNSSEC validation. Without this section nothing is validated.');

export interface LoadedDnssec {
  readonly dnssec: DnssecConfig;
  readonly problems: readonly ConfigProblem[];
}

/** Read the section, and the file that it names. */
export async function loadDnssec(
  raw: Record<string, unknown>,
  found: Found,
  source: ConfigSource,
): Promise<LoadedDnssec> {
  const { data: section, problems: wrong } = check(dnssecSchema, raw['dnssec'], source, ['dnssec']);
  const problems: ConfigProblem[] = [...(wrong ?? [])];
  if (section === undefined) return { dnssec: NO_VALIDATION, problems };
  const insecure: Uint8Array[] = [];
  for (const [i, zone] of section.insecure.entries()) {
    try {
      insecure.push(textToName(zone));
    } catch (error) {
      if (!(error instanceof NameError)) throw error;
      problems.push(source.problem(['dnssec', 'insecure', i], `'${zone}' ${error.message}`));
    }
  }
  const file = section['trust-anchor'];
  const anchors = file === undefined ? builtIn() : await anchorsOf(file, found, source, problems);
  const dnssec: DnssecConfig = {
    validate: section.validate,
    anchors,
    ...(file !== undefined && { anchorFile: file }),
    followRollovers: section['follow-rollovers'],
    insecure,
    sha1Digests: section['sha1-digests'],
    aggressiveNsec: section['aggressive-nsec'],
  };
  return { dnssec, problems };
}

async function anchorsOf(
  file: string,
  found: Found,
  source: ConfigSource,
  problems: ConfigProblem[],
): Promise<readonly AnchorRecord[]> {
  const { text, failure } = await readText(resolve(found.baseFolder, file));
  if (failure !== undefined) {
    problems.push(source.problem(['dnssec', 'trust-anchor'], `'${file}' ${failure}`));
    return [];
  }
  const read = readAnchorFile(text);
  for (const { line, column, message } of read.problems) {
    if (line > 0) problems.push({ file, line, column, path: 'dnssec.trust-anchor', message });
    else problems.push(source.problem(['dnssec', 'trust-anchor'], `'${file}' ${message}`));
  }
  return read.records;
}

function builtIn(): readonly AnchorRecord[] {
  return BUILT_IN_ANCHORS.flatMap(({ zone, ds }) =>
    ds.map(({ tag, algorithm, digestType, digest }) => ({
      zone,
      type: 'DS' as const,
      data: Uint8Array.from([tag >>> 8, tag & 255, algorithm, digestType, ...digest]),
    })),
  );
}
