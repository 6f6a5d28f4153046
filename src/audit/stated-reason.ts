/** Body of a request that a person has to give a reason for. */
export const statedReason = {
  type: 'object',
  required: ['reason'],
  additionalProperties: false,
  properties: { reason: { type: 'string', minLength: 1, maxLength: 500, description: 'Why; recorded.' } },
} as const;
