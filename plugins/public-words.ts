/**
 * What a published report calls what the plugins that come along count, in Japanese and English. Apart from the plugins, because
 * a report speaks of days on which other plugins were in force, too.
 */

interface Words {
  readonly ja: string;
  readonly en: string;
}

const words = (ja: string, en: string): Words => ({ ja, en });

/** By the name of the metric. */
export const PUBLIC_COUNTERS: Readonly<Record<string, Words>> = {
  sekisho_access_outsiders_total: words(
    '利用を認めていない網からの問合せ（拒否）',
    'Queries from networks that may not ask (refused)',
  ),
  sekisho_amp_shaper_charged_total: words(
    '反射攻撃への悪用を防ぐために計量した応答',
    'Answers metered so that they cannot be used in reflection attacks',
  ),
  sekisho_amp_shaper_charged_bytes_total: words('計量した応答のバイト数', 'Bytes of metered answers'),
  sekisho_amp_shaper_displaced_total: words('計量の対象から外した網', 'Networks that metering let go for others'),
  sekisho_amp_shaper_measure_limited_total: words(
    '一時的な措置により制限した応答',
    'Answers limited by a temporary measure',
  ),
  sekisho_amp_shaper_shaped_total: words('増幅を防ぐために制限した応答', 'Answers limited to prevent amplification'),
  sekisho_amp_shaper_exempted_total: words('計量の対象外とした応答', 'Answers that were exempt from metering'),
  sekisho_c2_block_lookups_total: words(
    '同意に基づきリストと照合した問合せ',
    'Queries compared with lists, with consent',
  ),
  sekisho_c2_block_not_inspected_total: words(
    '照合を行わなかった問合せ',
    'Queries that were not compared with any list',
  ),
  sekisho_c2_block_hits_total: words('リストに該当した問合せ', 'Queries for a listed name'),
  sekisho_c2_block_notices_lost_total: words(
    '記録できなかった注意喚起の対象',
    'Look-ups that could not be added to a notice',
  ),
  sekisho_dns64_synthesized_total: words('IPv4 から作成した IPv6 アドレスの応答', 'IPv6 addresses made of IPv4 ones'),
  sekisho_dns64_reversed_total: words(
    'IPv4 の名前で応答した逆引き',
    'Reverse look-ups answered with the name of the IPv4 address',
  ),
  sekisho_dns64_unavailable_total: words(
    'IPv6 アドレスを作成できなかった問合せ',
    'Queries for which no IPv6 address could be made',
  ),
  sekisho_dnstap_recorded_total: words(
    '根拠に基づき、仮名化して記録した問合せ',
    'Queries recorded under pseudonyms, on a ground',
  ),
  sekisho_dnstap_frames_total: words('記録先に渡した仮名化済みの記録', 'Pseudonymised records that were handed over'),
  sekisho_dnstap_frames_dropped_total: words('記録先に渡さなかった記録', 'Records that were not handed over'),
  sekisho_dnstap_ring_full_total: words(
    '処理が追い付かず記録しなかった問合せ',
    'Queries not recorded, because the writer did not keep up',
  ),
  sekisho_query_history_observed_total: words(
    '統計の対象とした通信（名前と送信元は別々に集計）',
    'Packets that the statistics counted (names and sources apart from each other)',
  ),
  sekisho_query_history_sampled_total: words('そのうち抽出して集計した通信', 'Of these, packets that were sampled'),
  sekisho_random_subdomain_refused_total: words(
    '権威サーバを保護するために制限した問合せ',
    'Queries limited to protect authoritative servers',
  ),
  sekisho_random_subdomain_known_passed_total: words(
    '実在が確認済みのため制限しなかった問合せ',
    'Queries not limited, because the name is known to exist',
  ),
  sekisho_random_subdomain_stale_first_total: words(
    '権威サーバの障害中に、期限切れの情報で応答した問合せ',
    'Queries answered with older data while an authority was in trouble',
  ),
  sekisho_random_subdomain_unrepeated_total: words('再送を控えた問合せ', 'Questions that were not sent again'),
  sekisho_random_subdomain_names_learnt_total: words('実在を確認した名前', 'Names that became known to exist'),
  sekisho_random_subdomain_wildcard_questions_total: words(
    'ワイルドカードの確認のために送った問合せ',
    'Questions sent to find out about wildcards',
  ),
  sekisho_random_subdomain_zones_troubled_total: words(
    '権威サーバの障害を検知した回数',
    'Times that an authority was found to be in trouble',
  ),
  sekisho_rpz_hits_total: words(
    '事業者のポリシーリストに該当した問合せ',
    'Queries on which a policy list of the operator decided',
  ),
  sekisho_random_subdomain_measure_limited_total: words(
    '一時的な措置により制限した問合せ',
    'Queries limited by a temporary measure',
  ),
  sekisho_sinkhole_hits_total: words(
    '攻撃を受けている名前への問合せ（破棄用アドレスで応答）',
    'Queries for names under attack (answered with a discard address)',
  ),
  sekisho_sinkhole_changes_total: words(
    '攻撃を受けている名前に関する規則の変更',
    'Changes of rules for names under attack',
  ),
  sekisho_whoami_answered_total: words(
    '利用者自身のアドレスを確認する問合せ',
    'Queries by which clients learn their own address',
  ),
};

/** What a plugin writes into the audit log is about, by the word before the dot. */
export const PUBLIC_NOUNS: Readonly<Record<string, Words>> = {
  'amp-shaper': words('増幅対策の状態', 'state of amplification limits'),
  dnstap: words('仮名化した記録', 'pseudonymised records'),
  'random-subdomain': words('権威サーバの保護の状態', 'state of the protection of authorities'),
  sinkhole: words('攻撃を受けている名前の規則', 'rule for a name under attack'),
};
