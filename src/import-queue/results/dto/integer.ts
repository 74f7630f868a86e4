import { Transform } from 'class-transformer';

/** Digits of a query become a number, any other text NaN, which the validators refuse; a default stays. */
export const Integer = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? (/^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN) : value,
  );
