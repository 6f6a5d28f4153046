/**
 * The transparency report as one page in Japanese and English: no script, nothing from elsewhere, prints on paper. It goes
 * onto an operator's web site as it is.
 */
import type { Counted, Measure, ReportedAction, TransparencyReport } from './report.ts';
import type { Words } from './words.ts';

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#d5dbe3;--paper:#fff;--band:#f4f6f9}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3aebc;--line:#3a4452;--paper:#14181e;--band:#1d232b}}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.65 system-ui,"Hiragino Sans","Noto Sans JP","Noto Sans CJK JP",sans-serif}
main{max-width:52rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.3;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.5rem 0 .25rem}h3{font-size:1rem;margin:1.5rem 0 0}
[lang=en]{color:var(--soft)}h1 [lang=en],h2 [lang=en]{display:block;font-size:.8em;font-weight:400}
p{margin:.25rem 0 .75rem}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.925rem;margin:.5rem 0}caption{text-align:left;color:var(--soft)}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-size:.85em;overflow-wrap:anywhere}
@media print{main{max-width:none;padding:0}table{break-inside:auto}tr{break-inside:avoid}}`;

export function reportPage(report: TransparencyReport): string {
  const { from, to, version, generatedAt, audit, smallestCell } = report;
  return `<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>透明性レポート · Transparency report ${esc(from)} – ${esc(to)}</title>
<style>${STYLE}</style>
</head>
<body><main>
<h1>DNS における通信の秘密に関わる措置の透明性レポート${en('Transparency report: measures at the DNS that touch the secrecy of communications')}</h1>
<p>${esc(from)} – ${esc(to)} (UTC)</p>
${both(
  'この期間に DNS サーバで何を、どれだけ行い、何を削除したかを記します。契約者、端末のアドレス、問い合わせられた名前は、この報告のどこにも記録されていません。',
  'What was done at the DNS server in this time, how often, and what was deleted. No subscriber, no client address and no name that was looked up is in this report.',
)}
${both(
  `${smallestCell} に満たない数は、個人が推測されないよう「&lt; ${smallestCell}」とし、日付も示しません。`,
  `Numbers below ${smallestCell} are written “&lt; ${smallestCell}”, without dates, so that nobody can be inferred.`,
)}
${section('概要', 'Overview', overview(report))}
${section('措置', 'Measures', report.measures.map((measure) => measureHtml(measure, smallestCell)).join('') || none())}
${section('使用中のリストと違法性阻却事由', 'Lists in force and their grounds', listsHtml(report))}
${section('同意の変更', 'Changes of consent', consentHtml(report, smallestCell))}
${section('記録の閲覧と操作', 'Reads and changes that were audited', actionsHtml(report.actions, smallestCell))}
${section('拒否', 'Refusals', refusalsHtml(report))}
${section('削除', 'Deletions', deletionsHtml(report))}
${section(
  '監査ログ',
  'Audit log',
  audit.ok
    ? `${both(`${count(audit.entries)} 件の連鎖が検証されました。`, `The chain of ${count(audit.entries)} entries was verified.`)}<p><code>${esc(audit.head ?? '–')}</code></p>`
    : both('監査ログの連鎖が壊れています。', 'The chain of the audit log is broken.'),
)}
<p lang="en">Sekisho ${esc(version)}, ${esc(generatedAt)}</p>
</main></body>
</html>
`;
}

function overview({ queries, measures }: TransparencyReport): string {
  return table(
    ['項目 / Item', '件数 / Count'],
    [
      ['DNS の問い合わせ / DNS queries', count(queries)],
      ['動作した機能 / Plugins that counted something', count(measures.length)],
    ],
  );
}

function measureHtml({ plugin, counts, undescribed }: Measure, smallest: number): string {
  const others =
    undescribed === 0
      ? ''
      : both(
          `ほかに ${count(undescribed)} 項目を計数していますが、一般向けの説明がないため示しません。`,
          `${count(undescribed)} other counters have no words for the public and are not shown.`,
        );
  return `<h3>${esc(plugin)}</h3>${countsHtml(counts, smallest)}${others}`;
}

function countsHtml(counts: readonly Counted[], smallest: number): string {
  if (counts.length === 0) return none();
  const rows = counts.map(({ what, labels, days, count: times }) => [
    twice(what, labels),
    days === null ? '–' : count(days),
    told(times, smallest),
  ]);
  return table(['内容 / What', '日数 / Days', '件数 / Count'], rows, 2);
}

/** Both languages in one cell. */
function twice(what: Words, more: Words = { ja: '', en: '' }): string {
  const joined = (one: string, other: string) => (other === '' ? one : `${one} · ${other}`);
  return `${joined(what.ja, more.ja)} / ${joined(what.en, more.en)}`;
}

function told(value: number | null, smallest: number): string {
  return value === null ? `< ${smallest}` : count(value);
}

function listsHtml({ lists }: TransparencyReport): string {
  if (lists.length === 0) return none();
  const rows = lists.map(({ name, category, tier, ground }) => [
    name,
    CATEGORIES[category] ?? category,
    TIERS[tier] ?? tier,
    groundWords(ground),
  ]);
  return table(['リスト / List', '区分 / Category', '段階 / Tier', '根拠 / Ground'], rows, 0);
}

function consentHtml({ consent }: TransparencyReport, smallest: number): string {
  if (consent.length === 0) return none();
  const rows = consent.map(({ what, by, count: times }) => [twice(what), twice(by), told(times, smallest)]);
  return table(['操作 / Action', '経路 / Channel', '件数 / Count'], rows);
}

function actionsHtml(actions: readonly ReportedAction[], smallest: number): string {
  if (actions.length === 0) return none();
  const rows = actions.map(({ what, first, last, count: times }) => [
    twice(what),
    first ?? '–',
    last ?? '–',
    told(times, smallest),
  ]);
  return table(['操作 / Action', '最初 / First', '最後 / Last', '件数 / Count'], rows);
}

function refusalsHtml({ refusals, smallestCell }: TransparencyReport): string {
  if (refusals.actions.length + refusals.counts.length === 0) return none();
  return [
    refusals.actions.length === 0 ? '' : actionsHtml(refusals.actions, smallestCell),
    refusals.counts.length === 0 ? '' : countsHtml(refusals.counts, smallestCell),
  ].join('');
}

function deletionsHtml({ deletions, smallestCell }: TransparencyReport): string {
  if (deletions.length === 0) return none();
  const rows = deletions.map(({ what, times, last, rows: deleted }) => [
    twice(what),
    count(times),
    last,
    told(deleted, smallestCell),
  ]);
  return table(['データ / Data set', '回数 / Times', '最後 / Last', '削除行数 / Rows'], rows);
}

const CATEGORIES: Readonly<Record<string, string>> = {
  c2: 'マルウェアの指令サーバ / malware control servers (c2)',
  malware: 'マルウェア配布サイト / sites that spread malware',
  policy: '事業者のポリシー / policy of the operator',
};
const TIERS: Readonly<Record<string, string>> = {
  confirmed: '確認済み（遮断） / confirmed (blocked)',
  suspected: '疑い（注意喚起のみ） / suspected (notice only)',
};
const GROUNDS: Readonly<Record<string, string>> = {
  consent: '契約約款等による包括同意 / 個別の同意 (consent)',
  'self-defence': '正当防衛 (self-defence)',
  necessity: '緊急避難 (necessity)',
  'legitimate-business': '正当業務行為 (legitimate business)',
};

export function groundWords(ground: string): string {
  return GROUNDS[ground] ?? ground;
}

function section(ja: string, english: string, body: string): string {
  return `<section><h2>${ja}${en(english)}</h2>${body}</section>`;
}

function en(text: string): string {
  return `<span lang="en">${text}</span>`;
}

function both(ja: string, english: string): string {
  return `<p>${ja}</p><p lang="en">${english}</p>`;
}

function none(): string {
  return '<p>なし <span lang="en">None</span></p>';
}

/** The last `numbers` columns are numbers. */
function table(heads: readonly string[], rows: readonly (readonly string[])[], numbers = 1): string {
  const numeric = (i: number) => (i >= heads.length - numbers ? ' class="n"' : '');
  const cell = (text: string, i: number) => `<td${numeric(i)}>${esc(text)}</td>`;
  const head = heads.map((text, i) => `<th scope="col"${numeric(i)}>${esc(text)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function esc(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
