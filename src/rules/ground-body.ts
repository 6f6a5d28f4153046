import { z } from 'zod';

/** What is stated of a ground in a request to the admin API. What is missing is not said by the schema, one by one, but all at once by the desk. */
const text = (description: string) => z.string().max(4096).optional().describe(description);

export const groundProperties = {
  effect: text('self-defence, necessity: what the attack does, to which of the operator’s own facilities.'),
  evidence: text('self-defence, necessity: what shows it: ticket, graph, log.'),
  'nothing-milder': text('necessity: why nothing milder works (補充性).'),
  purpose: text('legitimate-business: the purpose (目的の正当性).'),
  necessity: text('legitimate-business: why the act is necessary (行為の必要性).'),
  proportionality: text('legitimate-business: why the means are proportionate (手段の相当性).'),
  approver: text('Who approved the measure.'),
  expires: text(
    'self-defence, necessity: when it ends by itself: a duration (2h), a date or an instant with its zone.',
  ),
  review: text(
    'legitimate-business: when it has to be reviewed: a duration (90d), a date or an instant with its zone.',
  ),
};

/** Another term: fresh evidence (or necessity), who approved it, until when. */
export const renewalBody = z.strictObject(groundProperties);
