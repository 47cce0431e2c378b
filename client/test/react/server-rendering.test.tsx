// @vitest-environment node
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { useSSE, useSSEEvent } from "../../src/react/index.js";
import { connections } from "../../src/react/pool.js";

test("on a server, without window, it renders as not connected and connects nowhere", () => {
  const fetch = vi.fn();
  const complaints = vi.spyOn(console, "error");
  vi.stubGlobal("fetch", fetch);
  expect(typeof window).toBe("undefined");
  function Page() {
    const { isConnected, status, events, lastEvent } = useSSE({ persist: true, shareTabs: true, topics: ["a"] });
    useSSEEvent("update", () => {});
    return <p>{[isConnected, status, events.length, lastEvent].map(String).join(" ")}</p>;
  }
  expect(renderToString(<Page />)).toBe("<p>false idle 0 null</p>");
  expect([fetch.mock.calls, connections(), complaints.mock.calls]).toEqual([[], 0, []]);
});
