#!/usr/bin/env node
// The `sekisho` command: the bundled program (scripts/program/build.mjs).
import { createRequire } from 'node:module';

createRequire(import.meta.url)('../program/src/main.js');
