// Validates state machines: their definitions as JSON on standard input, what is wrong on standard output.
const { readFileSync, writeSync } = require("node:fs");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const load = createRequire(join(process.cwd(), "package.json"));
const validate = load("asl-validator");

const described = JSON.parse(readFileSync(0, "utf8")).map((definition) =>
  validate(definition, { checkArn: true, checkPaths: true }).errors.map((error) => ({
    rule: error["Error code"],
    message: error.Message ?? "",
    path: error.path ?? error.schemaError?.instancePath ?? "",
  })),
);
writeSync(1, JSON.stringify(described));
