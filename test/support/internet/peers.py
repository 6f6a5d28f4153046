#!/usr/bin/python3
"""peers.py NAME OUT PORT: start a resolver (unbound | named | pdns | kresd) inside the synthetic internet, print its pid, wait.

Every one gets the internet's own root hints and trust anchor, one thread, QNAME minimisation and DNSSEC validation on, and
listens on 127.0.0.1:PORT. Others are added by a function of four lines.
"""
import os, subprocess, sys, tempfile

def unbound(out, port, wd, extra=''):
    c = f'''server:
 interface: 127.0.0.1@{port}
 num-threads: 1
 do-not-query-localhost: no
 access-control: 127.0.0.0/8 allow
 username: ""
 chroot: ""
 directory: "{wd}"
 pidfile: "{wd}/pid"
 use-syslog: no
 logfile: ""
 root-hints: "{out}/hints.zone"
 trust-anchor-file: "{out}/anchor.key"
 module-config: "validator iterator"
 msg-cache-size: 256m
 rrset-cache-size: 512m
 key-cache-size: 64m
 outgoing-range: 4096
 num-queries-per-thread: 2048
 so-rcvbuf: 4m
 ede: yes
 val-log-level: 0
{extra}remote-control:
 control-enable: no
'''
    open(wd + '/c', 'w').write(c); return ['unbound', '-d', '-c', wd + '/c']

def named(out, port, wd):
    key = open(out + '/anchor.key').read().split()
    c = f'''options {{ directory "{wd}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file "{wd}/pid"; recursion yes;
 allow-query {{ any; }}; allow-recursion {{ any; }}; dnssec-validation yes; max-cache-size 1g; session-keyfile "{wd}/s"; empty-zones-enable no; recursive-clients 4000; }};
controls {{}}; zone "." {{ type hint; file "{out}/hints.zone"; }};
trust-anchors {{ . static-key {key[4]} {key[5]} {key[6]} "{''.join(key[7:])}"; }};
'''
    open(wd + '/c', 'w').write(c); return ['named', '-g', '-n', '1', '-c', wd + '/c']

def pdns(out, port, wd):
    ds = open(out + '/anchor.ds').read().split()
    open(wd + '/l.lua', 'w').write(f'clearTA(".")\naddTA(".", "{" ".join(ds[3:])}")\n')
    c = f'''local-address=127.0.0.1\nlocal-port={port}\nhint-file={out}/hints.zone\ndnssec=validate\nlua-config-file={wd}/l.lua\nthreads=1\nsocket-dir={wd}\ndaemon=no\nallow-from=127.0.0.0/8\ndont-query=\nmax-cache-entries=2000000\nsecurity-poll-suffix=\nquiet=yes\nextended-resolution-errors=yes\nmax-mthreads=4096\n'''
    open(wd + '/recursor.conf', 'w').write(c); return ['pdns_recursor', '--config-dir=' + wd]

def kresd(out, port, wd):
    open(wd + '/ta', 'w').write(open(out + '/anchor.key').read())
    c = f'''net.listen('127.0.0.1', {port})\ncache.size = 400*MB\ncache.storage = 'lmdb://{wd}'\nhints.root_file('{out}/hints.zone')\ntrust_anchors.remove('.')\ntrust_anchors.add_file('{wd}/ta', true)\nmodules.unload('ta_update')\nmodules.unload('priming')\n'''
    c = "modules = { 'hints > iterate' }\n" + c
    open(wd + '/c', 'w').write(c); return ['kresd', '-n', '-c', wd + '/c', wd]

if __name__ == '__main__':
    name, out, port = sys.argv[1:4]; out = os.path.realpath(out); wd = tempfile.mkdtemp(prefix='peer-' + name + '-')
    command = globals()[name](out, int(port), wd)
    p = subprocess.Popen(command, stdout=open(wd + '/log', 'w'), stderr=subprocess.STDOUT)
    print(p.pid, wd, flush=True)
    p.wait()
