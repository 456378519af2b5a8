/** The OpenAPI document of the application: made when somebody first asks for it. */
export class ApiDocument {
  #make: (() => Promise<object>) | undefined;
  #document: Promise<object> | undefined;

  /** @param make makes the document, which takes all routes to be there */
  publish(make: () => Promise<object>): void {
    this.#make = make;
  }

  get(): Promise<object> {
    if (this.#make === undefined) throw new Error('no OpenAPI document was published');
    return (this.#document ??= this.#make());
  }
}
