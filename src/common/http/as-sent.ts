import 'reflect-metadata';

const AS_SENT = Symbol('asSent');

/**
 * The property of a DTO arrives exactly as it was sent. Without it class-transformer copies what is in it: it drops
 * members, fails on one named "constructor", and runs out of stack on a value that is nested deeply.
 */
export const AsSent = (): PropertyDecorator => (prototype, property) => {
  const names = [...asSentNames(prototype), String(property)];
  Reflect.defineMetadata(AS_SENT, names, prototype);
};

/** Names of such properties, those of base classes included. */
export function asSentNames(prototype: object): readonly string[] {
  return (Reflect.getMetadata(AS_SENT, prototype) ?? []) as readonly string[];
}
