import { dayAndTime } from './local-dates.js';
import type { DateOrder, DecimalMark } from './reading.js';

/*
 * What the values of a column say about the way they are written. A column is read in a local form only if at least one
 * value decides and none contradicts; where two readings stay possible, the user is asked.
 */

/** Day, month and year in any order. Two-digit years and unpadded ISO are never taken for dates. */
const LOCAL_DATE = /^(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})$/;
const YEAR_FIRST = /^(\d{4})([./])(\d{1,2})\2(\d{1,2})$/;

/** Dates that are not ISO, with or without a time, in one column. */
export class DateSurvey {
  private readonly separators = new Set<string>();
  private yearFirst = false;
  private yearLast = false;
  private dmy = { decided: false, contradicted: false };
  private mdy = { decided: false, contradicted: false };
  private ymd = { decided: false, contradicted: false };
  /** The first values that are local dates. */
  readonly samples: string[] = [];

  add(value: string): void {
    const day = dayAndTime(value)?.day ?? value;
    const local = LOCAL_DATE.exec(day);
    const found = local ?? YEAR_FIRST.exec(day);
    if (found === null) return;
    if (this.samples.length < MOST_SAMPLES) this.samples.push(value);
    this.separators.add(found[2] ?? '');
    if (local === null) return this.addYearFirst(Number(found[3]), Number(found[4]));
    this.yearLast = true;
    const isCertain = (found[4] ?? '').length === 4;
    const [first, second] = [Number(found[1]), Number(found[3])];
    note(this.dmy, isCertain && first > 12 && second <= 12, second > 12);
    note(this.mdy, isCertain && second > 12 && first <= 12, first > 12);
  }

  /** `null`: no value decides, or values contradict each other. */
  get order(): DateOrder | null {
    if (this.separators.size !== 1 || (this.yearFirst && this.yearLast)) return null;
    const orders = { dmy: this.dmy, mdy: this.mdy, ymd: this.ymd };
    for (const order of ['dmy', 'mdy', 'ymd'] as const) {
      if (orders[order].decided && !orders[order].contradicted) return order;
    }
    return null;
  }

  /** Whether the column has dates whose order nobody knows. */
  get isUnclear(): boolean {
    return this.samples.length > 0 && this.order === null;
  }

  private addYearFirst(second: number, third: number): void {
    this.yearFirst = true;
    note(this.ymd, third > 12 && second <= 12, second > 12);
  }
}

const MOST_SAMPLES = 3;

function note(
  evidence: { decided: boolean; contradicted: boolean },
  decides: boolean,
  contradicts: boolean,
): void {
  evidence.decided ||= decides;
  evidence.contradicted ||= contradicts;
}

const DIGITS = /^[+-]?\d+$/;
/** A number with marks; `1.355,90` has two, and its last one is the decimal mark. */
const MARKED = /^[+-]?[\d.,]*?([.,])(\d+)$/;
/** It is refused, because it has thousands separators, but says that the comma is the decimal mark. */
const THOUSANDS_AND_COMMA = /^[+-]?\d{1,3}(\.\d{3})+,\d+$/;

/** Numbers with a decimal mark, in one column. */
export class DecimalSurvey {
  private comma = 0;
  private point = 0;
  private grouped = 0;
  /** Numbers whose only mark stands before exactly three digits: `1.000` is one, or one thousand. */
  private ambiguous = 0;
  readonly samples: string[] = [];

  add(value: string): void {
    if (DIGITS.test(value)) return;
    const found = MARKED.exec(value);
    if (found === null) return;
    if (this.samples.length < MOST_SAMPLES) this.samples.push(value);
    if (found[1] === ',') this.comma += 1;
    else this.point += 1;
    const marks = value.replace(/[^.,]/g, '').length;
    if (marks > 1 && !THOUSANDS_AND_COMMA.test(value)) this.grouped += 1;
    else if (marks === 1 && found[2]?.length === 3) this.ambiguous += 1;
  }

  /** Whether a number can only be read with a decimal point. */
  get hasPoint(): boolean {
    return this.point > 0 && !(this.isUnclear && this.comma === 0);
  }

  /** Whether every number of the column fits a decimal comma, and at least one has it. */
  get hasOnlyCommas(): boolean {
    return this.comma > 0 && this.point === 0 && this.grouped === 0 && !this.isUnclear;
  }

  /** Whether `1.234` stands beside numbers with a comma, so that its point may separate thousands. */
  get isContradictory(): boolean {
    return this.ambiguous > 0 && this.comma > 0 && this.point > 0;
  }

  /** Whether the column has numbers with a decimal comma. */
  get hasComma(): boolean {
    return this.comma > 0;
  }

  /** The mark that a saved mapping states, unless the values show that this file is written differently. */
  confirmed(mark: DecimalMark, isOurs: boolean): DecimalMark {
    // Our downloads have decimal points, whatever the file had from which they come.
    if (isOurs) return this.point === 0 && this.comma > 0 ? mark : 'point';
    if (mark === 'comma') return this.hasPoint && !this.hasComma ? 'point' : 'comma';
    return this.hasOnlyCommas ? 'comma' : 'point';
  }

  /** Whether every number with a mark has one mark and three digits after it. */
  get isUnclear(): boolean {
    const marked = this.comma + this.point;
    return marked > 0 && this.ambiguous === marked && (this.comma === 0 || this.point === 0);
  }
}

/** How the values of one column are written. */
export interface ColumnForm {
  /** `null`: only ISO dates are read. */
  dateOrder: DateOrder | null;
  /** `unclear`: numbers with one mark and three digits after it are refused, because they have two meanings. */
  decimalMark: DecimalMark | 'unclear';
}

export const STRICT_FORM: ColumnForm = { dateOrder: null, decimalMark: 'point' };
