/** An error that is told in a line, with a hint at what to do about it: nothing is wrong with the program. */
export class Complaint extends Error {
  override readonly name = 'Complaint';
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}
