/** What can stand against notices to infected terminals. */
import { type Catalogue, errorsOf } from '../errors/errors.ts';

export const TERMINALS_ERRORS = {
  SEKISHO_NO_TERMINALS: {
    status: 409,
    exitCode: 1,
    meaning:
      'The configuration in force has no `terminals`, or no `subscribers`: no report is taken and no case is kept.',
    remedy: 'docs/terminals.md shows the section and the ground that it needs.',
  },
  SEKISHO_NO_LEASE_HISTORY: {
    status: 409,
    exitCode: 1,
    meaning: 'Reports cannot be matched: the lease history is off, or its ground has ended.',
    remedy: 'State `terminals.lease-history` with a ground that holds; reports are matched from that time on.',
  },
  SEKISHO_CASE_UNKNOWN: {
    status: 404,
    exitCode: 1,
    meaning: 'There is no case with that code: it was never given, or the case was deleted when its time was over.',
    remedy: '`sekisho terminals list` shows the codes of all cases that are kept.',
  },
  SEKISHO_REPORT_FORM: {
    status: 422,
    exitCode: 1,
    meaning: 'A file of reports is not in the form that was named; nothing was sent.',
    remedy:
      'Name the form with `--format`, or the columns with `--map address=…,time=…`; `sekisho terminals formats` lists the forms.',
  },
} as const satisfies Catalogue;

export const terminalsError = errorsOf(TERMINALS_ERRORS);
