/**
 * Commands of the command line for plugins (`sekisho/plugin/commands`): how one is declared (`Plugin.commands`), the server's API, and how
 * things are shown at the terminal. Kept apart from the contract, because packet threads must not load it.
 */
export type { AdminApi } from '../commands/admin-api.ts';
export type {
  Action,
  Args,
  Command,
  CommandLoader,
  OptionDeclaration,
  Options,
  Trace,
  Verb,
} from '../commands/command.ts';
export { usageError } from '../commands/errors.ts';
export { bytesText, durationWords, entriesText, numberText, shareText, table } from '../commands/layout.ts';
export { pick } from '../commands/options.ts';
export { readingRequest } from '../commands/span.ts';
export { sparkline } from '../commands/sparkline.ts';
export { STATEMENTS, statedGround, statements } from '../commands/statements.ts';
export { bold, printable, type Terminal } from '../commands/terminal.ts';
export { appliedText } from '../rules/cli/measures.ts';
export type { MeasureView } from '../rules/rule-view.ts';
