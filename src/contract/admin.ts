/** The admin API for the control half of a plugin (`sekisho/plugin/admin`): schemas of answers, roles, measures as they are shown. */
export type { Role } from '../audit/roles.ts';
export { measureSchema, measureView } from '../rules/measure-view.ts';
export { errorSchema, responseSchema } from './api-schema.ts';
