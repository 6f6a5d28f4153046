export interface Reader {
  readonly who: string;
  readonly role: string;
}
