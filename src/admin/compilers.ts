/**
 * Schemas of the server's own routes are compiled when a route is first used: all of them together cost more than anything else at a
 * start, and most are never needed. Those of plugins from outside are compiled at once, so that a wrong one is refused.
 */
import { AjvCompiler } from '@fastify/ajv-compiler';
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';
import type { RouteOptions } from 'fastify';

type ValidatorCompiler = NonNullable<RouteOptions['validatorCompiler']>;
type SerializerCompiler = NonNullable<RouteOptions['serializerCompiler']>;
type Validate = ((data: unknown) => unknown) & { errors?: unknown };

export interface Compilers {
  readonly validatorCompiler: ValidatorCompiler;
  readonly serializerCompiler: SerializerCompiler;
}

/** For one application. `customOptions`: those of Ajv, as Fastify takes them. */
export function compilersWhenUsed(customOptions: object): Compilers {
  let ajv: ValidatorCompiler | undefined;
  let json: SerializerCompiler | undefined;
  return {
    validatorCompiler: (route) => {
      let compiled: Validate | undefined;
      const validate: Validate = (data) => {
        if (!compiled) {
          ajv ??= AjvCompiler()({}, { customOptions }) as unknown as ValidatorCompiler;
          compiled = ajv(route) as unknown as Validate;
        }
        const result = compiled(data);
        validate.errors = compiled.errors;
        return result;
      };
      return validate as ReturnType<ValidatorCompiler>;
    },
    serializerCompiler: (route) => {
      let compiled: ReturnType<SerializerCompiler> | undefined;
      return (data) => {
        if (!compiled) {
          json ??= SerializerSelector()({}, {}) as unknown as SerializerCompiler;
          compiled = json(route);
        }
        return compiled(data);
      };
    },
  };
}
