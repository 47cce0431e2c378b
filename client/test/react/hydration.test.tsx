import { act, cleanup, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, expect, test, vi } from "vitest";
import { useSSE } from "../../src/react/index.js";
import { connections } from "../../src/react/pool.js";
import { Server } from "./server.js";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a page that was rendered on a server is taken over without a complaint, and then connects", async () => {
  const server = new Server();
  const complaints = vi.spyOn(console, "error");
  function Page() {
    return <p>{useSSE({ transport: "fetch" }).status}</p>;
  }
  const page = <StrictMode><Page /></StrictMode>;
  const container = document.createElement("div");
  container.innerHTML = renderToString(page);
  expect(container.textContent).toBe("idle");
  const root = await act(async () => hydrateRoot(container, page));
  await waitFor(() => expect(container.textContent).toBe("open"));
  expect([server.streams.length, complaints.mock.calls]).toEqual([1, []]);
  act(() => root.unmount());
  await waitFor(() => expect([connections(), server.open]).toEqual([0, []]));
});
