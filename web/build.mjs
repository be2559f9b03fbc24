// Builds the page into automarkerlabel/review/report/assets; with --check it says whether what is there is what would
// be built.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as esbuild from "esbuild";

const here = import.meta.dirname;
const assets = join(here, "..", "automarkerlabel", "review", "report", "assets");
const LIBRARIES = { three: "https://threejs.org", uplot: "https://github.com/leeoniya/uPlot" };

async function bundled(entry) {
  const result = await esbuild.build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    legalComments: "none",
    charset: "ascii",
    logLevel: "warning",
  });
  return `${result.outputFiles[0].text.trim()}\n`;
}

function licences() {
  const parts = Object.entries(LIBRARIES).map(([name, home]) => {
    const folder = join(here, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${version}, ${home}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}\n`;
  });
  return `page.js and page.css contain these libraries.\n\n${parts.join("\n----\n\n")}`;
}

const built = {
  "page.js": await bundled("src/main.ts"),
  "page.css": await bundled("src/page.css"),
  "THIRD_PARTY_LICENCES.txt": licences(),
};
const dangerous = /<\/script|<!--/i.exec(built["page.js"]) ?? /<\/style/i.exec(built["page.css"]);
if (dangerous) throw new Error(`the output holds ${dangerous[0]}, which would end its element in a page`);

if (process.argv.includes("--check")) {
  const stale = Object.entries(built).filter(([name, text]) => {
    try {
      return readFileSync(join(assets, name), "utf8") !== text;
    } catch {
      return true;
    }
  });
  if (stale.length > 0) {
    console.error(
      `not what the sources make: ${stale.map(([name]) => name).join(", ")}; run \`npm run build\` in web/`,
    );
    process.exit(1);
  }
  console.log("the committed page is what its sources make");
} else {
  for (const [name, text] of Object.entries(built)) writeFileSync(join(assets, name), text);
  console.log(
    Object.entries(built)
      .map(([name, text]) => `${name}: ${Math.ceil(text.length / 1024)} KiB`)
      .join(", "),
  );
}
