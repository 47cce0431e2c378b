import { configure } from "@testing-library/react";

// What is waited for may come late where the machine has more to do; what does not come at all still fails.
configure({ asyncUtilTimeout: 60_000 });
