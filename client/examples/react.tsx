import { type FormEvent, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
// In an application: from "fanfare-client" and "fanfare-client/react".
import type { SSEEvents } from "../src/index.js";
import { useSSE, useSSEEvent } from "../src/react/index.js";

/** An event of this application beside the built-in ones. */
interface ChatEvents extends SSEEvents {
  said: { who: string; what: string };
}

// Components with these options share one connection, and so do all tabs.
const STREAM = { url: "/api/sse", shareTabs: true };

function Chat() {
  const [missed, setMissed] = useState("");
  const { status, events, reconnect, disconnect } = useSSE<ChatEvents>({
    ...STREAM,
    maxEvents: 20,
    onReset: ({ reason }) => setMissed(reason),
  });
  return (
    <main>
      <h1>React</h1>
      <p>
        The stream is <output data-status={status}>{status}</output>.{" "}
        {status === "open" ? (
          <button onClick={disconnect}>Disconnect</button>
        ) : (
          <button onClick={reconnect}>Connect</button>
        )}
      </p>
      {missed && <p>Some events were missed ({missed}): a real page would fetch its state anew.</p>}
      <Say />
      <Progress />
      <ul aria-label="Events" aria-live="polite">
        {events.map((event) => (
          <li key={event.id}>
            {event.type === "said" ? `${event.data.who}: ${event.data.what}` : `${event.type} ${JSON.stringify(event.data)}`}
          </li>
        ))}
      </ul>
    </main>
  );
}

/** Hears one type of event; no connection of its own. */
function Progress() {
  const [percentage, setPercentage] = useState(0);
  useSSEEvent("progress", ({ data }) => setPercentage(data.percentage), STREAM);
  return <progress max={100} value={percentage} aria-label="Progress" />;
}

function Say() {
  const [refused, setRefused] = useState("");
  async function publish(submitted: FormEvent<HTMLFormElement>) {
    submitted.preventDefault();
    const form = submitted.currentTarget;
    const what = new FormData(form).get("message");
    const answer = await fetch("/api/sse/events", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ event: "said", data: { who: "Somebody", what } }),
    });
    if (answer.ok) form.reset();
    setRefused(answer.ok ? "" : (await answer.json()).detail);
  }
  return (
    <form onSubmit={publish}>
      <input name="message" aria-label="Message" placeholder="Message to everyone" required autoComplete="off" />
      <button>Publish</button>
      {refused && <p role="alert">{refused}</p>}
    </form>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
