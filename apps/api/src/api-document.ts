/** The application's OpenAPI document, made on first use. */
export class ApiDocument {
  #make: (() => Promise<object>) | undefined;
  #document: Promise<object> | undefined;

  /** @param make makes the document; all routes must exist by then */
  publish(make: () => Promise<object>): void {
    this.#make = make;
  }

  get(): Promise<object> {
    if (this.#make === undefined) throw new Error('no OpenAPI document was published');
    return (this.#document ??= this.#make());
  }
}
