import { vi } from "vitest";

/** Stands in for the browser's own `EventSource`. */
export class Source extends EventTarget {
  static readonly CONNECTING = 0;
  static all: Source[] = [];
  readyState = 1;
  onerror: ((event: Event) => void) | null = null;
  onopen: (() => void) | null = null;
  readonly close = vi.fn();

  constructor(readonly url: string) {
    super();
    this.addEventListener("error", (event) => this.onerror!(event));
    Source.all.push(this);
  }

  get query(): URLSearchParams {
    return new URL(this.url).searchParams;
  }

  /** Takes its place, with none made yet. */
  static stub(): void {
    Source.all = [];
    vi.stubGlobal("EventSource", Source);
  }

  say(type: string, data: unknown, lastEventId: string): void {
    this.dispatchEvent(Object.assign(new Event(type), { data: JSON.stringify(data), lastEventId }));
  }

  lose(readyState: number): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}
