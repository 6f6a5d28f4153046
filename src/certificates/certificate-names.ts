/** Does a certificate for `names` stand for `name` (RFC 6125 §6.4.3: an asterisk is one whole label, the leftmost)? */
export function standsFor(name: string, names: readonly string[]): boolean {
  const wanted = name.toLowerCase();
  const above = wanted.indexOf('.');
  return names.includes(wanted) || (above > 0 && names.includes(`*${wanted.slice(above)}`));
}
