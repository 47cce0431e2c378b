// What must compile, and what must not: checked by tsc, never run.

import type { SSEEvents } from "../../src/index.js";
import { useSSE, useSSEEvent } from "../../src/react/index.js";

interface Shop extends SSEEvents {
  order: { id: number; total: number };
}

declare function takesText(text: string): void;
declare function takesNumber(number: number): void;

export function Typed() {
  const { lastEvent, events, status } = useSSE<Shop>({
    url: "/api/sse",
    onEvent: (event) => {
      if (event.type === "order") takesNumber(event.data.total);
    },
  });
  if (lastEvent?.type === "order") {
    takesNumber(lastEvent.data.total);
    // @ts-expect-error: an order has no title
    takesText(lastEvent.data.title);
  }
  if (lastEvent?.type === "progress") takesNumber(lastEvent.data.percentage);
  // @ts-expect-error: no event has that name
  if (lastEvent?.type === "ordre") takesText("");
  // @ts-expect-error: whoever asks for the newest may get none
  takesText(lastEvent.type);
  // @ts-expect-error: what was told is not to be changed
  events.push(lastEvent!);
  // @ts-expect-error: no connection stands so
  if (status === "connected") takesText("");
  // @ts-expect-error: topics are a list
  useSSE({ topics: "a" });
  // @ts-expect-error: no such option
  useSSE({ reconectInterval: 1 });

  useSSEEvent("notification", ({ type, data }) => {
    takesText(data.title);
    const name: "notification" = type;
    takesText(name);
    // @ts-expect-error: a notification has no percentage
    takesNumber(data.percentage);
  });
  useSSEEvent<Shop, "order">("order", ({ data }) => takesNumber(data.total));
  // @ts-expect-error: no built-in event has that name
  useSSEEvent("order", () => {});
  // @ts-expect-error: the payload is not text
  useSSEEvent("notification", ({ data }: { data: string }) => takesText(data));
  // @ts-expect-error: one type has one handler
  useSSEEvent("update", () => {}, { onEvent: () => {} });
  return null;
}
