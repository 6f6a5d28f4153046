import { changeBy } from '../../../dist/src/audit/personal-read.js';

export function tideRoutes(app, { audit, set, level }) {
  app.post(
    '/v1/tide',
    {
      config: { roles: ['operator'], audit: { of: 'change', actions: ['tide.set'] } },
      schema: {
        summary: 'Set the tide',
        body: {
          type: 'object',
          required: ['level'],
          additionalProperties: false,
          properties: { level: { type: 'integer' } },
        },
      },
    },
    async ({ body, identity }) => {
      await audit.record(changeBy(identity, 'tide.set', undefined, 'the moon', { level: body.level }));
      await set(body.level);
      return { level: level() };
    },
  );
}
