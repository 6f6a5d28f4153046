/**
 * What a published report calls things, in Japanese and English: counters, their labels, actions of the audit log, data sets. What has
 * no words here is counted and not shown: a help text of a metric is for whoever runs the server, and means nothing to the public.
 */

import { PUBLIC_COUNTERS, PUBLIC_NOUNS } from '../../plugins/standing.ts';

export interface Words {
  readonly ja: string;
  readonly en: string;
}

const words = (ja: string, en: string): Words => ({ ja, en });

/** Refusals and reports besides: counters of the server itself. */
export const REFUSALS: Readonly<Record<string, Words>> = {
  sekisho_notice_refused_total: words(
    '注意喚起画面・ポータルで拒否した要求',
    'Requests to the notice page and the portal that were refused',
  ),
  sekisho_terminals_reports_refused_total: words(
    '加入者を特定できず採用しなかった感染端末の報告',
    'Reports of infected terminals that were matched to nobody',
  ),
  sekisho_subscribers_lease_prefixes_refused_total: words(
    '範囲外のため採用しなかったアドレスの割当て情報',
    'Address assignments refused as out of bounds',
  ),
  sekisho_subscribers_lease_conflicts_total: words(
    '矛盾するため誰のものともしなかった割当て情報',
    'Contradicting assignments that left an address to nobody',
  ),
};

const LABELS: Readonly<Record<string, Words>> = {
  list: words('リスト', 'list'),
  action: words('措置', 'action'),
  reason: words('理由', 'reason'),
  rule: words('規則', 'rule'),
  trigger: words('条件', 'trigger'),
  kind: words('種類', 'kind'),
  dry_run: words('試行', 'dry run'),
  outcome: words('結果', 'outcome'),
};

const VALUES: Readonly<Record<string, Words>> = {
  nxdomain: words('名前なしと応答', 'answered that the name does not exist'),
  nodata: words('該当なしと応答', 'answered without data'),
  notice: words('注意喚起画面へ誘導', 'led to the notice page'),
  record: words('記録のみ（遮断なし）', 'recorded only, not blocked'),
  'dry-run': words('計数のみ', 'counted only'),
  passthru: words('通過', 'let pass'),
  drop: words('破棄', 'dropped'),
  'tcp-only': words('TCP に限定', 'TCP only'),
  unknown: words('加入者を特定できない', 'subscriber not known'),
  unfiltered_listener: words('検査しない窓口', 'resolver without inspection'),
  no_subscribers: words('加入者の設定なし', 'no subscribers configured'),
  no_consent: words('同意なし', 'no consent'),
  true: words('はい', 'yes'),
  false: words('いいえ', 'no'),
  measure: words('一時的な措置', 'temporary measure'),
  desk: words('窓口で登録', 'added at the desk'),
  nobody: words('その時刻の利用者が不明', 'nobody known for that time'),
  contested: words('複数の加入者が該当', 'several subscribers claim it'),
  'near-a-change': words('割当ての変更に近い時刻', 'too close to a change'),
  unconfirmed: words('割当ての継続を確認できない', 'assignment not confirmed'),
  'port-missing': words('ポート番号なし（共用アドレス）', 'no port (shared address)'),
  'time-without-zone': words('タイムゾーンなし', 'no time zone'),
  'time-unreadable': words('時刻が読み取れない', 'time unreadable'),
  'time-too-coarse': words('日付のみ', 'date only'),
  'time-ambiguous': words('2通りに読める時刻', 'time that was shown twice'),
  'time-nonexistent': words('存在しない時刻', 'time that never was'),
  'time-ahead': words('未来の時刻', 'time in the future'),
  'too-old': words('保存期間外', 'older than what is kept'),
  'clock-unsure': words('時計が不確か', 'clock in doubt'),
  'ranges-changed': words('割当て表が更新済み', 'table of ranges has changed'),
  group: words('契約グループ', 'contract group'),
};

/** What was done, before the dot; and how. */
const NOUNS: Readonly<Record<string, Words>> = {
  ...PUBLIC_NOUNS,
  approval: words('承認', 'approval'),
  audit: words('監査ログ', 'audit log'),
  backup: words('バックアップ', 'backup'),
  cache: words('キャッシュ', 'cache'),
  configuration: words('設定', 'configuration'),
  consent: words('同意', 'consent'),
  console: words('管理画面', 'console'),
  dnssec: words('DNSSEC の例外', 'DNSSEC exceptions'),
  door: words('受付の制御', 'admission control'),
  fleet: words('複数サーバの連携', 'fleet'),
  history: words('問合せ統計', 'query statistics'),
  lease: words('アドレスの割当て', 'address assignment'),
  list: words('リスト', 'list'),
  measure: words('過負荷への措置', 'measure against an overload'),
  measures: words('措置の記録', 'records of measures'),
  notice: words('注意喚起の記録', 'records of notices'),
  overload: words('過負荷', 'overload'),
  ranges: words('固定アドレスの割当て表', 'table of fixed addresses'),
  report: words('透明性レポート', 'transparency report'),
  rule: words('一時的な規則', 'temporary rule'),
  share: words('他事業者への情報提供', 'information for other operators'),
  subscriber: words('加入者への応答の確認', 'look at what a subscriber is answered'),
  terminals: words('感染端末への注意喚起', 'notices to infected terminals'),
  time: words('サーバの時刻', 'time of the server'),
};

const VERBS: Readonly<Record<string, Words>> = {
  acknowledge: words('損傷の確認', 'damage acknowledged'),
  'accept-damage': words('損傷の承認', 'damage accepted'),
  accept: words('承認', 'accepted'),
  add: words('追加', 'added'),
  apply: words('適用', 'put in force'),
  begin: words('開始', 'begun'),
  change: words('変更', 'changed'),
  check: words('確認', 'checked'),
  close: words('終了', 'closed'),
  create: words('作成', 'made'),
  declare: words('宣言', 'declared'),
  delete: words('消去', 'deleted'),
  diagnose: words('診断', 'diagnosed'),
  end: words('終了', 'ended'),
  except: words('例外の設定', 'excepted'),
  expire: words('期限による終了', 'ended by itself'),
  export: words('書出し', 'exported'),
  flush: words('消去', 'flushed'),
  'forget-import': words('取り込んだ統計の消去', 'imported figures forgotten'),
  follow: words('試行から適用への移行', 'put in force after a dry run'),
  forget: words('除外', 'forgotten'),
  import: words('取込み', 'imported'),
  indicators: words('脅威情報の提供', 'indicators'),
  init: words('初期化', 'initialised'),
  interim: words('継続', 'went on'),
  lift: words('解除', 'lifted'),
  login: words('ログイン', 'login'),
  logout: words('ログアウト', 'logout'),
  mark: words('状態の変更', 'state changed'),
  networks: words('閲覧', 'looked at'),
  'opt-in': words('同意', 'opt-in'),
  'opt-out': words('撤回', 'opt-out'),
  override: words('保留の解除', 'overridden'),
  preview: words('影響の確認', 'previewed'),
  read: words('閲覧', 'looked at'),
  recovered: words('復旧', 'recovered'),
  reload: words('再読込', 'reloaded'),
  remove: words('解除', 'removed'),
  renew: words('延長', 'renewed'),
  rollback: words('以前の版に戻す', 'rolled back'),
  send: words('送付', 'sent'),
  show: words('閲覧', 'looked at'),
  shut: words('閉鎖', 'shut'),
  single: words('単独承認', 'by one person'),
  start: words('開始', 'started'),
  statistics: words('統計の提供', 'statistics'),
  stop: words('終了', 'ended'),
  explain: words('閲覧', 'looked at'),
  'trust-anchor': words('トラストアンカーの変更', 'trust anchor changed'),
  update: words('更新', 'updated'),
  zones: words('閲覧', 'looked at'),
};

const OUTCOMES: Readonly<Record<string, Words>> = {
  succeeded: words('成功', 'succeeded'),
  refused: words('拒否', 'refused'),
  failed: words('失敗', 'failed'),
};

const DATASETS: Readonly<Record<string, Words>> = {
  notices: words('注意喚起の記録', 'records of notices'),
  'notices/names': words('注意喚起の記録のうち名前', 'names in records of notices'),
  'measures/changes': words('措置の変更の記録', 'changes of measures'),
  'terminals/lease-history': words('アドレスの割当ての履歴', 'history of address assignments'),
  'terminals/cases': words('感染端末のケース', 'cases of infected terminals'),
  'terminals/reports': words('感染端末の報告の照合記録', 'traces of reports of infected terminals'),
};
/** Of the query statistics: `minute/network` and the like. */
const SPANS: Readonly<Record<string, Words>> = {
  minute: words('1分ごと', 'by the minute'),
  minutes: words('1分ごと', 'by the minute'),
  hour: words('1時間ごと', 'by the hour'),
  day: words('1日ごと', 'by the day'),
};

const CHANNELS: Readonly<Record<string, Words>> = {
  portal: words('加入者用ポータル', 'portal'),
  'call-centre': words('電話窓口', 'call centre'),
  'command-line': words('窓口（端末操作）', 'desk'),
  api: words('他システム', 'another system'),
  import: words('一括取込み', 'bulk import'),
};
const CONSENTS: Readonly<Record<string, Words>> = {
  'opt-out': words('同意の撤回', 'opt-out'),
  'opt-in': words('同意', 'opt-in'),
  shown: words('本人・窓口による閲覧', 'looked at'),
  exported: words('本人への開示', 'exported for the subscriber'),
};

/** Undefined where the public would not understand it. */
export function counterWords(name: string): Words | undefined {
  return PUBLIC_COUNTERS[name] ?? REFUSALS[name];
}

/** `リスト: c2-feed、措置: 名前なしと応答`; names of lists and rules are the operator's own. */
export function labelWords(labels: Readonly<Record<string, string>>): Words {
  const parts = Object.entries(labels).map(([label, value]) => {
    const key = LABELS[label] ?? words(label, label);
    const said = VALUES[value] ?? words(value, value);
    return words(`${key.ja}: ${said.ja}`, `${key.en}: ${said.en}`);
  });
  return words(parts.map(({ ja }) => ja).join('、'), parts.map(({ en }) => en).join(', '));
}

/** `list.rollback.refused` → リスト: 以前の版に戻す（拒否）. Undefined where a part of it has no words. */
export function actionWords(action: string): Words | undefined {
  const [noun = '', verb = '', outcome] = action.split('.');
  const [what, done, how] = [NOUNS[noun], VERBS[verb], outcome === undefined ? undefined : OUTCOMES[outcome]];
  if (!what || !done || (outcome !== undefined && !how)) return undefined;
  return words(
    `${what.ja}: ${done.ja}${how ? `（${how.ja}）` : ''}`,
    `${what.en}: ${done.en}${how ? ` (${how.en})` : ''}`,
  );
}

export function isRefusal(action: string): boolean {
  return action.endsWith('.refused');
}

/** Of a data set of which something was deleted: always told, whatever it is. */
export function datasetWords(dataset: string): Words {
  const known = DATASETS[dataset];
  if (known) return known;
  const span = SPANS[dataset.split('/')[0] ?? ''];
  return span
    ? words(`問合せ統計（${span.ja}）`, `query statistics, ${span.en}`)
    : words('その他の記録', 'other records');
}

export function channelWords(channel: string): Words {
  return CHANNELS[channel] ?? words('その他', 'other');
}

export function consentWords(action: string): Words {
  return CONSENTS[action] ?? words('その他', 'other');
}
