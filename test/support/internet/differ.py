#!/usr/bin/python3
"""differ.py OUT SEED COUNT LABEL:PORT LABEL:PORT …: ask resolvers the same COUNT questions about the random zones of OUT (build.py
--random) and compare rcode, AD and answers. The first is compared with each of the others, and with what most of them say.

Prints one line for each question in which the first stands against all others that agree among themselves, and for each of the
others how often it says something else than the first. Exit code 1 where the first stands alone.
"""
import json, random, sys
import dns.flags, dns.message, dns.query, dns.rcode, dns.rdatatype
out, seed, count, resolvers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [x.rsplit(':', 1) for x in sys.argv[4:]]
rng = random.Random(seed); zones = json.load(open(out + '/random.json'))
TYPES = ['A', 'A', 'A', 'AAAA', 'TXT', 'MX', 'CNAME', 'NS', 'SOA', 'DNSKEY', 'DS']
def question():
    zone, names = rng.choice(zones); name = rng.choice(names + ['', '']) if rng.random() < .6 else rng.choice(['nope', 'zz', 'a0', 'w', 'q.w', 'p.q.w', 'b.a', 'y', 'q.r', 'x.y.z', 'www.n0', 'n0', 'www.d0', '0'])
    if name.startswith('*') and rng.random() < .7: name = 'made' + name[1:]
    if rng.random() < .1 and name: name = 'below.' + name
    return (name + '.' if name else '') + zone, rng.choice(TYPES)
def ask(port, name, kind):
    q = dns.message.make_query(name, kind, want_dnssec=True)
    try: r = dns.query.udp_with_fallback(q, '127.0.0.1', 12, int(port), ignore_unexpected=True)[0]
    except dns.exception.Timeout: return 'TIMEOUT', False, ()
    answer = sorted('%s %s %s' % (s.name.to_text().lower(), dns.rdatatype.to_text(s.rdtype), d.to_text().lower()) for s in r.answer if s.rdtype != dns.rdatatype.RRSIG for d in s)
    rcode = dns.rcode.to_text(r.rcode()); return rcode, bool(r.flags & dns.flags.AD), tuple(answer) if rcode != 'SERVFAIL' else ()
differs = {label: 0 for label, _ in resolvers[1:]}; alone = 0; seen = {}
for n in range(count):
    name, kind = question(); got = [ask(port, name, kind) for _, port in resolvers]; seen[got[0][0]] = seen.get(got[0][0], 0) + 1
    for (label, _), other in zip(resolvers[1:], got[1:]): differs[label] += other != got[0]
    if len(set(got[1:])) == 1 and got[1] != got[0] and 'TIMEOUT' not in (got[0][0], got[1][0]):
        alone += 1; print('%s %s\n   %s: %s\n   others: %s' % (name, kind, resolvers[0][0], got[0], got[1]), flush=True)
print('%d questions %s: %s alone in %d; %s' % (count, seen, resolvers[0][0], alone, ', '.join('%s differs in %d' % x for x in differs.items()))); sys.exit(1 if alone else 0)
