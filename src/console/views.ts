/**
 * The views of the console: which operations of the admin API each needs, and which it uses where the role has them. A desk sees
 * a view if its role may do all that the view needs and the server has it; so who sees what follows from the routes' roles
 * alone. The page is built from this very file, and can ask for nothing that does not stand here.
 */
export const VIEWS = {
  now: {
    needs: ['GET /v1/live'],
    uses: ['GET /v1/query-history/normal'],
  },
  overload: {
    needs: ['GET /v1/query-history/state', 'POST /v1/query-history/diagnose'],
    uses: [
      'POST /v1/query-history/overload',
      'DELETE /v1/query-history/overload',
      'POST /v1/query-history/preview',
      'POST /v1/query-history/apply',
      'GET /v1/query-history/normal',
      'GET /v1/rules',
      'DELETE /v1/rules/:id',
    ],
  },
  rules: {
    needs: ['GET /v1/rules'],
    uses: [
      'GET /v1/rules/changes',
      'POST /v1/rules/:id/renew',
      'DELETE /v1/rules/:id',
      'POST /v1/sinkhole/preview',
      'POST /v1/sinkhole/rules',
      'GET /v1/dnssec',
    ],
  },
  lists: {
    needs: ['GET /v1/lists'],
    uses: [
      'GET /v1/lists/:name/held',
      'POST /v1/lists/:name/reload',
      'POST /v1/lists/:name/override',
      'POST /v1/lists/:name/rollback',
    ],
  },
  explain: { needs: ['GET /v1/explain'], uses: [] },
  consent: {
    needs: ['GET /v1/consent/subscribers/:subscriber', 'GET /v1/consent/ledger'],
    uses: [
      'GET /v1/consent/subscribers/:subscriber/export',
      'POST /v1/consent/subscribers/:subscriber/:action',
      'GET /v1/status',
    ],
  },
  terminals: { needs: ['GET /v1/terminals/cases'], uses: ['POST /v1/terminals/cases/:code'] },
  record: {
    needs: ['GET /v1/audit/verify'],
    uses: ['GET /v1/report', 'GET /v1/query-history/state', 'GET /v1/time'],
  },
} as const satisfies Readonly<Record<string, { readonly needs: readonly string[]; readonly uses: readonly string[] }>>;

export type View = keyof typeof VIEWS;
/** `METHOD /path` as the route was registered. */
export type Operation = (typeof VIEWS)[View]['needs' | 'uses'][number];

export const VIEW_NAMES = Object.keys(VIEWS) as readonly View[];

/** Every operation that some view needs or uses. */
export const OPERATIONS: readonly Operation[] = [
  ...new Set(VIEW_NAMES.flatMap((view): readonly Operation[] => [...VIEWS[view].needs, ...VIEWS[view].uses])),
];

/** The views of somebody who may do these operations. */
export function viewsOf(may: readonly string[]): View[] {
  return VIEW_NAMES.filter((view) => VIEWS[view].needs.every((operation) => may.includes(operation)));
}
