import { vi } from "vitest";

/** A page that tests can hide, and to which things happen. */
export class Page extends EventTarget {
  hidden = false;

  /** Takes the place of the global one, on a network. */
  static stub(): Page {
    const page = new Page();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    vi.stubGlobal("document", page);
    vi.stubGlobal("navigator", { onLine: true });
    return page;
  }

  happens(name: string): void {
    this.dispatchEvent(new Event(name));
  }
}
