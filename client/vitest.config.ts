import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

// What Node resolves for itself brings the React beside it: hence all three, the last as the module that Vite transforms.
const REACT_18 = {
  react: path("test/react-18/node_modules/react"),
  "react-dom": path("test/react-18/node_modules/react-dom"),
  "@testing-library/react": path("node_modules/@testing-library/react/dist/@testing-library/react.esm.js"),
};

/** To end a test that hangs: no test is about how fast the machine is. */
const PATIENCE = { testTimeout: 60_000, hookTimeout: 60_000 };

/** The tests of the hooks, under one React. */
function hooks(major: "18" | "19", alias: Record<string, string>) {
  return {
    define: { REACT_MAJOR: JSON.stringify(major) },
    resolve: { alias },
    test: {
      name: `react-${major}`,
      environment: "jsdom",
      ...PATIENCE,
      include: ["test/react/**/*.test.{ts,tsx}"],
      setupFiles: ["test/react/patience.ts"],
      server: { deps: { inline: ["@testing-library/react"] } },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      { test: { name: "core", ...PATIENCE, include: ["test/**/*.test.ts"], exclude: ["test/react/**", "**/node_modules/**"] } },
      hooks("19", {}),
      hooks("18", REACT_18),
    ],
  },
});
