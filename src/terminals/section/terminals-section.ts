/** `terminals` in the configuration: notices to subscribers whose terminals are infected (感染端末への注意喚起). */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Sections } from '../../feature/sections.ts';
import { ground } from '../../grounds/ground.ts';
import { check } from '../../settings/problems.ts';
import { durationMs } from '../../settings/units.ts';
import { REPORT_FORMS, type ReportColumns } from '../reports/report-forms.ts';
import { isZone } from '../reports/report-time.ts';
import type { TerminalsConfig } from '../terminals-config.ts';

const column = (what: string) => z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(16)]).describe(what);

export const formSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a form is named with up to 32 lower-case letters, digits and dashes')
    .describe('What `--format` calls it.'),
  syntax: z
    .enum(['csv', 'json'])
    .describe('A table whose first row names the columns; or a JSON list, or one object a line.'),
  address: column(
    'Column, or key, with the address; several where it has several names. `source.ip` is a key inside an object.',
  ),
  port: column('The port that the terminal used; needed where subscribers share addresses (CG-NAT).').optional(),
  time: column('When it was seen.'),
  kind: column('What was seen: name of the malware or of the report.').optional(),
  zone: z
    .string()
    .refine(isZone, 'write UTC, an offset such as +09:00 or a zone such as Asia/Tokyo')
    .optional()
    .describe('Zone of times that carry none: `UTC`, `+09:00`, `Asia/Tokyo`. Without it such times are refused.'),
  source: z
    .string()
    .regex(/^[\x20-\x7e]{1,64}$/, 'up to 64 ASCII characters')
    .optional()
    .describe('Who reports; recorded with the case.'),
});

export const terminalsSchema = z
  .strictObject({
    'lease-history': z
      .strictObject({
        keep: durationMs({ min: '1h', max: '90d' })
          .prefault('7d')
          .describe('How long it is kept who held which address.'),
        ground: ground.describe(
          'On which ground this is kept, stated in full (guideline 3(1)(ノ): 緊急避難; third report: 正当業務行為). When it ends, the history is deleted.',
        ),
      })
      .optional()
      .describe(
        'Keep who held which address when, so that reports can be matched. Read by the import of reports alone. Off without this key.',
      ),
    'clock-margin': durationMs({ min: '0s', max: '1h' })
      .prefault('1m')
      .describe('Clocks of reporters may be wrong by so much: a report nearer to a change of the lease is refused.'),
    keep: durationMs({ min: '1d', max: '366d' })
      .prefault('90d')
      .describe('A case is deleted so long after it is over. Deletion is recorded.'),
    'ends-after': durationMs({ min: '1d', max: '366d' })
      .prefault('30d')
      .describe('A case without a further report for so long is over.'),
    reminders: z
      .strictObject({
        after: durationMs({ min: '1d', max: '90d' })
          .prefault('7d')
          .describe('So long after a notice a reminder is due.'),
        most: z.int().min(0).max(12).default(2).describe('Reminders of one case.'),
      })
      .prefault({})
      .describe('While a case is neither fixed nor wrong nor over, its subscriber is reminded.'),
    suspected: z
      .boolean()
      .default(true)
      .describe('Look-ups of names of the tier `suspected` (c2-block, with consent) make cases too.'),
    webhook: z
      .strictObject({
        url: z.url({ protocol: /^https?$/ }).describe('Where notices are sent, as JSON, signed (Standard Webhooks).'),
        'secret-file': z
          .string()
          .min(1)
          .describe('File with the secret of the signature: `whsec_` and 24–64 bytes in base64.'),
        'give-up-after': durationMs({ min: '10m', max: '7d' })
          .prefault('1d')
          .describe('A notice that is not taken is sent again, later each time, for so long.'),
      })
      .optional()
      .describe('Hand notices to a mailing system. Without it they wait for `sekisho terminals export`.'),
    forms: z
      .array(formSchema)
      .max(64)
      .default([])
      .describe('Forms of reports besides `csv`, `json`, `shadowserver` and `sinkhole-log`.'),
  })
  .optional()
  .describe(
    'Notices to subscribers whose terminals are infected (docs/terminals.md). Without this key no report is taken.',
  );

type Section = NonNullable<z.output<typeof terminalsSchema>>;

export const TERMINALS_SECTIONS: Sections = {
  schemas: { terminals: terminalsSchema },
  load(raw, { found, source }) {
    if (!Object.hasOwn(raw, 'terminals')) return { problems: [] };
    const { data, problems = [] } = check(terminalsSchema, raw['terminals'] ?? {}, source, ['terminals']);
    if (!data) return { problems };
    const own: (string | number)[][] = [];
    const names = [...REPORT_FORMS.map(({ name }) => name)];
    data.forms.forEach(({ name }, i) => {
      if (names.includes(name)) own.push(['terminals', 'forms', i, 'name']);
      names.push(name);
    });
    const wrong = own.map((path) => source.problem(path, 'another form has this name already'));
    const terminals = terminalsConfig(data, found.baseFolder);
    const secretFile = terminals.webhook?.secretFile;
    if (secretFile !== undefined && !isReadable(secretFile))
      wrong.push(source.problem(['terminals', 'webhook', 'secret-file'], `'${secretFile}' cannot be read`));
    if (wrong.length > 0) return { problems: wrong };
    const dangers = Object.hasOwn(raw, 'subscribers')
      ? []
      : [{ path: ['terminals'], message: 'there are no `subscribers`: nobody is known, so no report can be matched' }];
    return { values: { terminals }, problems: [], dangers };
  },
};

function terminalsConfig(section: Section, baseFolder: string): TerminalsConfig {
  const { 'lease-history': history, webhook, reminders } = section;
  return {
    ...(history && { leaseHistory: { ground: history.ground, keepMs: history.keep } }),
    marginMs: section['clock-margin'],
    keepMs: section.keep,
    endsAfterMs: section['ends-after'],
    reminders: { afterMs: reminders.after, most: reminders.most },
    suspected: section.suspected,
    ...(webhook && {
      webhook: {
        url: webhook.url,
        secretFile: resolve(baseFolder, webhook['secret-file']),
        giveUpMs: webhook['give-up-after'],
      },
    }),
    forms: [
      ...REPORT_FORMS,
      ...section.forms.map(({ name, syntax, zone, source, address, port = [], time, kind = [] }) => ({
        name,
        syntax,
        columns: columnsOf({ address, port, time, kind }),
        ...(zone !== undefined && { zone }),
        source: source ?? name,
      })),
    ],
  };
}

function columnsOf(columns: { readonly [column in keyof ReportColumns]: string | string[] }): ReportColumns {
  const list = (of: string | string[]) => (typeof of === 'string' ? [of] : of);
  return {
    address: list(columns.address),
    port: list(columns.port),
    time: list(columns.time),
    kind: list(columns.kind),
  };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
