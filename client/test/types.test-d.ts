// Checked by `tsc`, never run: a wrong payload does not compile. The package is imported by its name, as applications do.

import { FanfareClient, type SSEEvent } from "fanfare-client";

declare module "fanfare-client" {
  interface SSEEvents {
    price: { symbol: string; value: number };
  }
}

const client = new FanfareClient({ url: "/api/sse", topics: ["prices.*"] });

client.on("notification", ({ data }) => data.title.toUpperCase());
client.on("progress", ({ data }) => data.percentage.toFixed());
client.on("price", ({ data }) => data.value.toFixed());
client.on("price", ({ text }) => text.length.toFixed());
// @ts-expect-error There is no such member.
client.on("price", ({ data }) => data.volume);
// @ts-expect-error It is a number.
client.on("progress", ({ data }) => data.percentage.toUpperCase());
// @ts-expect-error No such event was declared.
client.on("prices", () => {});
// @ts-expect-error What an update carries is not known until it is looked at.
client.on("update", ({ data }) => data.anything);
// @ts-expect-error No such option.
new FanfareClient({ retries: 3 });

client.onEvent((event) => {
  if (event.type === "price") event.data.symbol.toUpperCase();
  // @ts-expect-error Not of every event.
  event.data.symbol;
});

interface Own {
  joined: { name: string };
  left: null;
}

const own = new FanfareClient<Own>();
own.on("joined", ({ data }) => data.name);
// @ts-expect-error A map of its own has what it has.
own.on("notification", () => {});

const event: SSEEvent<Own> = { type: "left", data: null, text: "null", id: "" };
// @ts-expect-error Left carries nothing.
const wrong: SSEEvent<Own> = { type: "left", data: { name: "Ada" }, text: "", id: "" };
export { event, wrong };
