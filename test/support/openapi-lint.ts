/** What Redocly's rules find in a description of the API, as sentences. */
import { createConfig, lintFromString } from '@redocly/openapi-core';

export async function openApiProblems(description: string): Promise<string[]> {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      'operation-4xx-response': 'error',
      // One that leads elsewhere answers 302.
      'operation-2xx-response': 'off',
      'operation-operationId': 'error',
      'operation-operationId-unique': 'error',
      'operation-operationId-url-safe': 'error',
      'operation-summary': 'error',
      'no-empty-servers': 'error',
      'security-defined': 'error',
      // Loopback is where it listens unless told otherwise.
      'no-server-example.com': 'off',
    },
  });
  const problems = await lintFromString({ source: description, absoluteRef: 'openapi.json', config });
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer ?? ''}`);
}

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly 'x-roles': readonly string[];
}

/** Operations that lack an answer which the application gives for all. */
export function missingAnswers(description: string): string[] {
  const { paths } = JSON.parse(description) as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const needed = operation['x-roles'].includes('anyone') ? ['4XX', '5XX'] : ['401', '403', '4XX', '5XX'];
      return needed
        .filter((status) => operation.responses[status] === undefined)
        .map((status) => `${method} ${path}: ${status}`);
    }),
  );
}
