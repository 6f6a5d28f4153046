/** Scenes: what happens to an ISP, and where to watch it. Each ends by itself. */
import { writeFileSync } from 'node:fs';
import { addressOf, FEED, type Isp, nameOf } from './isp.ts';
import type { Traffic } from './traffic.ts';

export interface Stage {
  readonly isp: Isp;
  readonly traffic: Traffic;
  readonly say: (line: string) => void;
  /** Resolves after so many seconds, or when the demo stops. */
  readonly pass: (seconds: number) => Promise<void>;
}

export interface Scene {
  readonly name: string;
  readonly title: string;
  /** Which view of the console, and what to do there. */
  readonly watch: readonly string[];
  readonly seconds: number;
  run(stage: Stage): Promise<void>;
}

const OPTED_OUT = 8;
const label = () => Math.random().toString(36).slice(2, 12);

export const SCENES: readonly Scene[] = [
  {
    name: 'c2',
    title: 'Infected devices look up their C&C servers',
    watch: [
      'Lists: “c2-feed” decides queries; the number grows, and nobody’s name with it.',
      `Why this answer: gate.botnet.example from ${addressOf(0)}: blocked by consent of ${nameOf(0)}.`,
      `Command line: kdig @127.0.0.1 -p PORT -b ${addressOf(0)} gate.botnet.example`,
    ],
    seconds: 60,
    async run({ traffic, pass }) {
      const end = traffic.flow(5, () => ({
        name: `gate${Math.floor(Math.random() * 3)}.botnet.example`,
        from: Math.floor(Math.random() * 3),
      }));
      await pass(this.seconds);
      end();
    },
  },
  {
    name: 'attacked-name',
    title: 'One name is looked up by everybody at once: its server is under attack',
    watch: [
      'Now: queries rise above the normal.',
      'Rules in force: “Discard a name” with www.shop.example, preview, dry run, then in force; lift it afterwards.',
    ],
    seconds: 180,
    async run({ traffic, pass }) {
      const end = traffic.flow(500, () => ({ name: 'www.shop.example', from: Math.floor(Math.random() * 60) }));
      await pass(this.seconds);
      end();
    },
  },
  {
    name: 'random-subdomains',
    title: 'Random names below one domain (water torture)',
    watch: [
      'Overload: diagnose; the picture names victim.example. Preview the first proposal, apply it, watch the countdown.',
      'Now: NXDOMAIN and cache misses rise, and fall when the rule acts.',
    ],
    seconds: 240,
    async run({ traffic, pass }) {
      const end = traffic.flow(700, () => ({
        name: `${label()}.victim.example`,
        from: Math.floor(Math.random() * 40),
      }));
      await pass(this.seconds);
      end();
    },
  },
  {
    name: 'amplification',
    title: 'Large answers are asked for from few addresses (reflection)',
    watch: [
      'Overload: diagnose; it names big.example and the types.',
      'Now: answers stay small, because amp-shaper truncates what is not verified.',
    ],
    seconds: 180,
    async run({ traffic, pass }) {
      const end = traffic.flow(500, () => ({
        name: 'big.example',
        type: Math.random() < 0.5 ? 'ANY' : 'TXT',
        from: 50 + Math.floor(Math.random() * 3),
      }));
      await pass(this.seconds);
      end();
    },
  },
  {
    name: 'wrong-list',
    title: 'The provider of the C&C list sends the wrong file',
    watch: [
      'Lists: the guard holds the version back and says why; what was in force stays in force.',
      'Look at findings and samples; approve without the offenders, or leave it: the right file comes back after this scene.',
    ],
    seconds: 120,
    async run({ isp, say, pass }) {
      writeFileSync(
        isp.feed,
        [
          'com',
          'www.google.com',
          'www.yahoo.co.jp',
          '*.site0.example',
          'not a name!',
          ...Array.from({ length: 5000 }, (_, i) => `w${i}.wrong.example`),
        ].join('\n'),
      );
      const { status, body } = await isp.api<{ error?: { message?: string } }>(
        'security',
        'POST',
        '/v1/lists/c2-feed/reload',
        {},
      );
      say(`  the server answers ${status}: ${body.error?.message ?? 'taken'}`);
      await pass(this.seconds);
      writeFileSync(isp.feed, `${FEED.join('\n')}\n`);
      await isp.api('security', 'POST', '/v1/lists/c2-feed/reload', { again: true });
    },
  },
  {
    name: 'opt-out',
    title: `Subscriber ${nameOf(OPTED_OUT)} opts out on the telephone`,
    watch: [
      `Consent desk: ${nameOf(OPTED_OUT)}, with a purpose: opted out, and its history.`,
      `Why this answer: gate.botnet.example from ${addressOf(OPTED_OUT)} is not looked up in any list now; from ${addressOf(0)} it is.`,
    ],
    seconds: 1,
    async run({ isp, say, pass }) {
      const { status } = await isp.api('privacy', 'POST', `/v1/consent/subscribers/${nameOf(OPTED_OUT)}/opt-out`, {
        purpose: 'c2',
        reason: 'the subscriber asked for it on the telephone',
        channel: 'call-centre',
      });
      say(`  the server answers ${status}: in force on every worker, and on the disk`);
      await pass(this.seconds);
    },
  },
  {
    name: 'infected-terminal',
    title: 'A third party reports an infected terminal',
    watch: [
      'Infected terminals: the case with its code, for a purpose; change its state.',
      'Command line: sekisho terminals export --reason TEXT: what a mailing system would send.',
    ],
    seconds: 1,
    async run({ isp, say, pass }) {
      const { status, body } = await isp.api<{ matched?: number; opened?: number; error?: { message: string } }>(
        'security',
        'POST',
        '/v1/terminals/reports',
        {
          reason: 'daily report of a sinkhole, ticket 815',
          source: 'sinkhole.example',
          kind: 'mirai',
          rows: [
            { row: 1, address: addressOf(5), time: new Date().toISOString() },
            { row: 2, address: '198.51.100.200', time: new Date().toISOString() },
          ],
        },
      );
      const came = `${body.matched ?? 0} of 2 reports matched to a lease, ${body.opened ?? 0} case(s) opened`;
      say(`  the server answers ${status}: ${body.error?.message ?? came}`);
      await pass(this.seconds);
    },
  },
  {
    name: 'dead-upstream',
    title: 'One of the two upstreams falls silent',
    watch: [
      'Now: it is shown as down, the other takes over, and answers go on.',
      'Now: it is up again after this scene.',
    ],
    seconds: 60,
    async run({ isp, pass }) {
      isp.authorities[0]?.silence(true);
      try {
        await pass(this.seconds);
      } finally {
        isp.authorities[0]?.silence(false);
      }
    },
  },
];
