/** Certificates of encrypted transports, as a feature of the control plane. */
import { declareFeature } from '../feature/feature.ts';
import { CertificatesInForce, type PublishedCertificates } from './certificates-in-force.ts';
import { CERTIFICATE_ERRORS } from './errors.ts';
import type { CertificateSections } from './open.ts';

export const CERTIFICATES = declareFeature<CertificateSections, undefined, CertificatesInForce>({
  name: 'certificates',
  errors: CERTIFICATE_ERRORS,
  open: async (context) => (await import('./open.ts')).openCertificates(context),
  data: () => {
    const inForce = new CertificatesInForce();
    return { data: inForce, take: (published) => inForce.take(published as PublishedCertificates) };
  },
});
