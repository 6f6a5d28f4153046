/** The list of features with one line more. */
import { FEATURES as ALL } from '../../../dist/src/features.js';
import { TIDE } from './feature.mjs';

export const FEATURES = [...ALL, TIDE];
