import type { Express } from 'express';

/** The part of Express's router that is needed to ask which routes there are. */
interface Layer {
  route?: { methods: Record<string, boolean>; path: string };
  match(path: string): boolean;
}

/** Methods that have a route at the path, in upper case; empty when it has none. Only asked after a 404. */
export function allowedMethods(express: Express, path: string): string[] {
  const methods = new Set<string>();
  for (const layer of express.router.stack as unknown as Layer[]) {
    if (layer.route === undefined || !layer.match(path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
