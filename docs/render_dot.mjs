// Graphviz compiled to WebAssembly: DOT on standard input, SVG on standard output.
import { readFileSync, writeSync } from "node:fs";
import { instance } from "@viz-js/viz";

const viz = await instance();
writeSync(1, viz.renderString(readFileSync(0, "utf8"), { format: "svg" }));
