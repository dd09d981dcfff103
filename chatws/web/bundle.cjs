/**
 * Bundler of the browser pages, run by the build hook: node bundle.cjs ESBUILD WEB
 *
 * Reads the tags between `<!-- bundle -->` and `<!-- /bundle -->` of each page below WEB, and writes one script and one
 * style sheet per page to `built/`, minified, with a hash in the name, beside variants for brotli and gzip. Scripts
 * listed in `SCRIPTS` are minified alone. `built/manifest.json` has the names and the digests of all sources.
 */

const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const zlib = require("node:zlib");

const [, , compiler, web] = process.argv;
const esbuild = require(compiler);

/** Scripts without imports, served under their own address. */
const SCRIPTS = ["widget/embed.js", "widget/unread.js"];
const BLOCK = /<!-- bundle -->(.*?)<!-- \/bundle -->/s;
const TARGET = "es2022";

const manifest = { pages: {}, scripts: {}, sources: {} };

/** @param {string} name relative to WEB */
function source(name) {
  const content = fs.readFileSync(path.join(web, name));
  manifest.sources[name] = createHash("sha256").update(content).digest("hex");
  return content;
}

/** Write a file and its compressed variants; return its name, which contains a hash of the content. */
function write(stem, extension, content) {
  const bytes = Buffer.from(content);
  const name = `${stem}-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}${extension}`;
  const brotli = { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  fs.writeFileSync(path.join(web, "built", name), bytes);
  fs.writeFileSync(path.join(web, "built", `${name}.br`), zlib.brotliCompressSync(bytes, brotli));
  fs.writeFileSync(path.join(web, "built", `${name}.gz`), zlib.gzipSync(bytes, { level: 9 }));
  return name;
}

/** Bundle files with everything that they import; return the text. */
async function bundle(names, loader) {
  const statement = loader === "css" ? "@import" : "import";
  const contents = names.map((name) => `${statement} ${JSON.stringify(`./${name}`)};`).join("\n");
  const done = await esbuild.build({
    stdin: { contents, loader, resolveDir: web },
    absWorkingDir: web,
    bundle: true,
    format: "iife",
    legalComments: "none",
    loader: { ".svg": "dataurl" },
    logLevel: "error",
    metafile: true,
    minify: true,
    target: TARGET,
    write: false,
  });
  for (const name of Object.keys(done.metafile.inputs)) if (name !== "<stdin>") source(name);
  return done.outputFiles[0].text;
}

async function bundlePage(page) {
  const block = BLOCK.exec(source(page).toString())?.[1];
  if (!block) return;
  const named = (pattern) => [...block.matchAll(pattern)].map(([, address]) => address.slice(1));
  const stem = path.basename(page, ".html");
  // Classic scripts, such as the official client, come first and stay as they are; their source maps are not served.
  const classic = named(/<script src="([^"]+)"/g).map((name) =>
    source(name.replace(/^socket\.io\//, "vendor/")).toString().replace(/^\/\/# sourceMappingURL=.*$/m, ""),
  );
  const script = await bundle(named(/<script type="module" src="([^"]+)"/g), "js");
  const style = await bundle(named(/<link rel="stylesheet" href="([^"]+)"/g), "css");
  manifest.pages[page] = {
    script: write(stem, ".js", [...classic, script].join("\n")),
    style: write(stem, ".css", style),
  };
}

async function main() {
  fs.rmSync(path.join(web, "built"), { recursive: true, force: true });
  fs.mkdirSync(path.join(web, "built"));
  for (const page of fs.readdirSync(web, { recursive: true })) {
    const isBundled = page.endsWith(".html") && BLOCK.test(fs.readFileSync(path.join(web, page), "utf8"));
    if (isBundled) await bundlePage(page);
  }
  for (const name of SCRIPTS) {
    if (!fs.existsSync(path.join(web, name))) continue;
    const { code } = await esbuild.transform(source(name).toString(), { minify: true, target: TARGET });
    manifest.scripts[name] = write(path.basename(name, ".js"), ".js", code);
  }
  source("bundle.cjs");
  fs.writeFileSync(path.join(web, "built", "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
}

main().then(
  // esbuild's WebAssembly process would keep Node running.
  () => process.exit(0),
  (failure) => {
    console.error(failure);
    process.exit(1);
  },
);
