#!/usr/bin/python3
"""cold.py OUT NAME… : CPU a resolver spends on names it never saw. Each NAME is one of peers.py, or LABEL:PORT:PID.

Asks www.dNNNNNN.TLD for every bulk zone once, 100 at a time, at a resolver started for it, and reads its CPU time: the first
quarter (fresh) apart from the rest (cold), because a program that compiles itself while it runs pays for that once; then once
more, which is the same answers out of its cache. Judge by CPU per answer and by ratios within one run, 12 000 zones or more.
"""
import os, subprocess, sys, tempfile, time
out, names = os.path.realpath(sys.argv[1]), sys.argv[2:]; here = os.path.dirname(os.path.realpath(__file__))
zones = sorted(f[:-5] for f in os.listdir(out + '/zones') if f[0] == 'd' and f[1:7].isdigit())
def questions(zones):
    f = tempfile.NamedTemporaryFile('w', delete=False); f.write(''.join('www.%s A\n' % z for z in zones)); f.close(); return f.name, len(zones)
fresh, cold, warm = questions(zones[::4]), questions([z for i, z in enumerate(zones) if i % 4]), questions(zones)
def cpu(pid): s = open('/proc/%d/stat' % pid).read().split(') ')[1].split(); return (int(s[11]) + int(s[12])) / os.sysconf('SC_CLK_TCK')
def tree(pid):
    out = subprocess.run(['pgrep', '-P', str(pid)], capture_output=True, text=True).stdout.split(); return [pid] + [x for c in out for x in tree(int(c))]
for at, name in enumerate(names):
    p = None
    if ':' in name: name, port, pid = name.split(':'); port, pid = int(port), int(pid)
    else:
        port = 37500 + at; p = subprocess.Popen(['/usr/bin/python3', here + '/peers.py', name, out, str(port)], stdout=subprocess.PIPE, text=True); pid = int(p.stdout.readline().split()[0]); time.sleep(4)
    def rss(): return sum(int(l.split()[1]) for x in tree(pid) for l in open('/proc/%d/status' % x) if l.startswith('VmRSS')) // 1024
    line = name.ljust(8); begun = rss()
    for what, (file, count) in (('fresh', fresh), ('cold', cold), ('warm', warm)):
        before = sum(map(cpu, tree(pid))); r = subprocess.run(['dnsperf', '-s', '127.0.0.1', '-p', str(port), '-d', file, '-n', '1', '-D', '-q', '100', '-t', '10', '-c', '4'], capture_output=True, text=True).stdout
        done = int(next(l for l in r.split('\n') if 'Queries completed' in l).split()[2]); codes = next((l.split(':', 1)[1].strip() for l in r.split('\n') if 'Response codes' in l), '')
        line += ' | %s %d of %d (%s), %.0f CPU µs each' % (what, done, count, codes, (sum(map(cpu, tree(pid))) - before) / max(done, 1) * 1e6)
    print(line, '| %d MiB, from %d' % (rss(), begun), flush=True)
    if p:
        for x in reversed(tree(p.pid)[1:]): os.kill(x, 15)
        p.wait()
