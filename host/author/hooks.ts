/**
 * Makes `weir/test` in a filter's unit tests mean the weir that runs them, also where the project has installed none.
 * Loaded into the process of the tests before them.
 */
import { register, type ResolveHook } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** Node calls this in a thread of its own. */
export const resolve: ResolveHook = (specifier, context, next) =>
  next(specifier, specifier === 'weir/test' ? { ...context, parentURL: import.meta.url } : context);

if (isMainThread) register(import.meta.url);
