/** `sekisho dnssec`: what validation of the running server rests on, and exceptions from it. */
import type { Args } from '../../commands/command.ts';
import { table } from '../../commands/layout.ts';
import { statedGround } from '../../commands/statements.ts';
import { printable, type Terminal } from '../../commands/terminal.ts';
import type { ExceptionView, TrustView } from '../routes.ts';

export async function dnssec(args: Args, terminal: Terminal): Promise<number> {
  const { answer, text } = await answered(args, terminal);
  terminal.out(args.json ? `${JSON.stringify(answer, null, 2)}\n` : text);
  return 0;
}

async function answered(args: Args, terminal: Terminal) {
  const { verb, server } = args;
  if (verb === 'status') {
    const answer = await server.get<TrustView>('/v1/dnssec');
    return { answer, text: trustText(answer, terminal) };
  }
  const [zone = ''] = args.positionals;
  const ground = statedGround(args);
  const body = { zone, ...(Object.keys(ground).length > 0 && { ground }) };
  const answer = await server.send<ExceptionView>('POST', '/v1/dnssec/exceptions', body);
  return {
    answer,
    text: `${printable(answer.zone)} and all below it are not validated until ${answer.endsAt}, on every worker (rule ${answer.id})\n`,
  };
}

/** Trust for people. */
export function trustText(view: TrustView, terminal: Terminal): string {
  if (!view.validating)
    return 'nothing is validated: the configuration has no section `dnssec`, or says `validate: false`\n';
  const blocks = view.problems.map((problem) => `! ${printable(problem)}\n`);
  blocks.push(`trust anchors: ${view.anchors.map(printable).join(', ')}\n`);
  if (view.keys.length > 0)
    blocks.push(
      table(
        ['ZONE', 'KEY', 'STATE', 'SINCE'],
        view.keys.map(({ zone, key, state, since }) => [printable(zone), String(key), state, since]),
        terminal,
      ),
    );
  if (view.insecure.length > 0)
    blocks.push(`not validated, says the configuration: ${view.insecure.map(printable).join(', ')}\n`);
  if (view.exceptions.length > 0)
    blocks.push(
      table(
        ['EXCEPTED', 'RULE', 'ENDS', 'GROUND', 'APPROVER'],
        view.exceptions.map(({ zone, id, endsAt, ground, approver }) => [
          printable(zone),
          id,
          endsAt,
          ground,
          printable(approver),
        ]),
        terminal,
      ),
    );
  else blocks.push('no exceptions\n');
  return blocks.join('');
}
