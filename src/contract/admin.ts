/** The admin API for the control half of a plugin (`sekisho/plugin/admin`): schemas of answers, roles, measures as they are shown. */
export type { Role } from '../audit/roles.ts';
export { type AdminApi, errorSchema, FAILURES, responseSchema } from '../errors/api-schema.ts';
export { groundProperties, renewalBody } from '../rules/ground-body.ts';
export { measureSchema, measureView } from '../rules/rule-view.ts';
