/** The routes of sharing, over what reports and rules lend. */
import type { FeatureContext, Opened } from '../feature/feature.ts';
import type { ListsConfig } from '../lists/list-config.ts';
import { REPORT } from '../report/feature.ts';
import { RULES } from '../rules/feature.ts';
import { isRunning } from '../rules/rule.ts';
import { shareRoutes } from './routes.ts';

export interface SharingSections extends Pick<ListsConfig, 'lists'> {
  readonly notice: { readonly operator: { readonly name: string | undefined } };
}

export function openSharing(context: FeatureContext<SharingSections>): Opened<undefined> {
  const { audit, time, config } = context;
  const { desk: rules } = context.desk(RULES);
  const { tallies } = context.desk(REPORT);
  return {
    desk: undefined,
    routes: (app) =>
      shareRoutes(app, {
        audit,
        clock: time,
        lists: config.lists,
        attacked: () =>
          rules.list(isRunning).flatMap(({ rule: { match } }) => {
            const name = match.name ?? match.domain;
            // What is on somebody's address stays here.
            if (name === undefined || match.source !== undefined) return [];
            return [
              {
                name: name.replace(/\.$/, ''),
                below: match.domain !== undefined,
                why: 'under attack: look-ups flood it',
              },
            ];
          }),
        tallies,
        operator: config.notice.operator.name ?? 'an internet provider',
      }),
  };
}
