#!/usr/bin/python3
"""check.py OUT PORT [--json FILE] [--odd | --cpu PID] [--only TEXT]: ask the resolver on 127.0.0.1:PORT (run it inside the namespace).

Without --odd every question of OUT/expected.jsonl: rcode, AD, and that a bogus name is answered with CD=1. With --odd each
misbehaving server: the answer, how long it took, and how many queries one client query made the servers receive. With --cpu
what attacks on the validator cost the process PID.
"""
import argparse, json, sys, time
import dns.edns, dns.flags, dns.message, dns.query, dns.rcode
import odd
ap = argparse.ArgumentParser(); ap.add_argument('out'); ap.add_argument('port', type=int); ap.add_argument('--json'); ap.add_argument('--odd', action='store_true'); ap.add_argument('--only', default=''); ap.add_argument('--cpu', type=int, metavar='PID'); A = ap.parse_args()

def ask(name, kind, cd=False, timeout=12):
    q = dns.message.make_query(name, kind, want_dnssec=True)
    if cd: q.flags |= dns.flags.CD
    started = time.monotonic()
    try: r = dns.query.udp_with_fallback(q, '127.0.0.1', timeout, A.port, ignore_unexpected=True)[0]
    except dns.exception.Timeout: return None, 'TIMEOUT', False, [], time.monotonic() - started
    ede = [o.code for o in r.options if isinstance(o, dns.edns.EDEOption)]
    return r, dns.rcode.to_text(r.rcode()), bool(r.flags & dns.flags.AD), ede, time.monotonic() - started

def plain():
    good = 0; bad = []; rows = []; edes = [0, 0]
    for e in map(json.loads, open(A.out + '/expected.jsonl')):
        if A.only not in e['name']: continue
        r, rcode, ad, ede, took = ask(e['name'], e['type'])
        right = rcode == e['rcode'] and ad == e['ad']
        if 'ede' in e: edes[1] += 1; edes[0] += any(x in e['ede'] for x in ede)
        rows.append(dict(e, got=rcode, got_ad=ad, got_ede=ede, ms=round(took * 1000, 1), right=right))
        if right: good += 1
        else: bad.append('%-28s %-6s %-32s expected %s%s, got %s%s %s' % (e['name'], e['type'], e['note'], e['rcode'], ' AD' if e['ad'] else '', rcode, ' AD' if ad else '', ede or ''))
    print('\n'.join(bad)); print('%d of %d right; extended error as expected %d of %d' % (good, good + len(bad), *edes)); return rows

def counts(): return json.load(open(A.out + '/odd.json'))
def misbehaving():
    rows = []
    for name, (_, accept, *rest) in odd.TABLE.items():
        if A.only not in name: continue
        asked = (rest[0] if rest else 'www') + '.%s.net.' % name
        time.sleep(0.5); before = counts(); r, rcode, ad, ede, took = ask(asked, 'A'); time.sleep(0.8); after = counts()
        own = sum(after[name]) - sum(before[name]); victim = sum(after['victim']) - sum(before['victim'])
        rows.append(dict(name=name, got=rcode, ede=ede, ms=round(took * 1000), own=own, victim=victim if name != 'victim' else 0, right=rcode in accept))
        print('%-13s %-9s %5d ms  %4d queries there, %4d at the victim %s %s' % (name, rcode, took * 1000, own, rows[-1]['victim'], ede or '', '' if rcode in accept else '← expected ' + '/'.join(accept)), flush=True)
    r, rcode, *_ = ask('www.victim.net.', 'A'); poisoned = r is None or '192.0.2.66' in r.to_text()
    print('victim after all:', rcode, 'POISONED' if poisoned else 'clean'); return rows

def cpu():
    """CPU seconds of the process and its children."""
    import os, subprocess
    def tree(pid): return [pid] + [x for c in subprocess.run(['pgrep', '-P', str(pid)], capture_output=True, text=True).stdout.split() for x in tree(int(c))]
    out = 0
    for x in tree(A.cpu): s = open('/proc/%d/stat' % x).read().split(') ')[1].split(); out += int(s[11]) + int(s[12])
    return out / os.sysconf('SC_CLK_TCK')
def costly():
    """What attacks on the validator cost: CPU for ten new names, beside ten new names of a decent signed zone."""
    rows = []
    for label, zone, prefix in (('decent', 'nx-nsec3.com.', ''), ('encloser', 'encloser.com.', 'a.' * 100), ('600 iterations', 'nsec3-iter-600.com.', 'a.' * 100), ('60 signatures', 'sig-60.com.', None), ('KeyTrap', 'keytrap.com.', None)):
        ask('www.' + zone, 'AAAA'); before = cpu()
        answers = [ask('www.' + zone, 'A', timeout=20) if prefix is None else ask('%sx%d%d.%s' % (prefix, i, time.time_ns() % 10**6, zone), 'A') for i in range(1 if prefix is None else 10)]
        n = len(answers); rows.append(dict(label=label, ms=(cpu() - before) * 1000 / n, rcode=answers[-1][1])); print('%-15s %8.1f CPU ms each  %s' % (label, rows[-1]['ms'], answers[-1][1]), flush=True)
    return rows
rows = costly() if A.cpu else misbehaving() if A.odd else plain()
if A.json: json.dump(rows, open(A.json, 'w'))
