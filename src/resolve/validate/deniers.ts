/** The verified denials of one zone, ready to be asked. */
import { TYPE } from '../../wire/constants.ts';
import type { ValidationBudget } from './budget.ts';
import type { Name } from './canonical-name.ts';
import type { Denial } from './denial.ts';
import { NsecDenial } from './nsec.ts';
import { Nsec3Denial } from './nsec3.ts';
import type { RRset } from './rrset.ts';

/** RRsets of denials that are looked at; an honest answer has four. */
const MAX_DENIALS = 16;

/** `sets`: verified NSEC and NSEC3 RRsets, signed by `zone`. A zone has one kind; during a change of kind maybe both. */
export function deniers(
  zone: Name,
  sets: readonly RRset[],
  maxIterations: number,
  budget: ValidationBudget,
): readonly Denial[] {
  const nsec = sets.filter(({ type }) => type === TYPE.NSEC).slice(0, MAX_DENIALS);
  const nsec3 = sets.filter(({ type }) => type === TYPE.NSEC3).slice(0, MAX_DENIALS);
  return [
    ...(nsec.length > 0 ? [new NsecDenial(zone, nsec)] : []),
    ...(nsec3.length > 0 ? [new Nsec3Denial(zone, nsec3, maxIterations, budget)] : []),
  ];
}
