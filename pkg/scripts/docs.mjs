// The pages of docs/, in the order of docs/SUMMARY.md: as a site, and inside the package. Both have links to other
// files as addresses in the repository.
//
//   node pkg/scripts/docs.mjs check                   checks relative links of all Markdown files, the summary, and the length of the readme files
//   node pkg/scripts/docs.mjs site FOLDER REFERENCE   writes the source of the site, with the reference of operations as its last page

import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const REPOSITORY = "https://github.com/runstate/runstate/blob/main/";
const SUMMARY = "docs/SUMMARY.md";

/** The parts of the summary that the package leaves to the repository: the npm package has neither the native command line nor servers. */
const NATIVE_PARTS = ["Terminal and stores", "For authors"];

/** The most lines of what a new reader meets first. */
const MOST_LINES = { "README.md": 150, "pkg/README.md": 120 };

/** Folders without documents of the project. */
const SKIPPED = new Set(["node_modules", "target", "dist", "build", "pkg/docs"]);

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** The pages of the summary, in order: title, path in the repository, and whether the package has them. */
function pages() {
  let part = "";
  return read(SUMMARY).split("\n").flatMap((line) => {
    part = /^# (.*)/.exec(line)?.[1] ?? part;
    const [, title, path] = /^(?:- )?\[(.*)\]\((.*)\)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ title, path: `docs/${path}`, inPackage: !NATIVE_PARTS.includes(part) }];
  });
}

/** The files that pages show. */
const pictures = () => readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".svg")).map((name) => `docs/${name}`);

/** Copies pages and pictures to the folder. */
function copyPages(folder, copied) {
  const paths = new Set([...copied.map(({ path }) => path), ...pictures()]);
  const inRepository = (text, page) => text.replace(LINK, (link, to, anchor = "") => {
    const path = to.includes(":") || to === "" ? undefined : join(dirname(page), to);
    return path === undefined || paths.has(path) ? link : `](${REPOSITORY}${path}${anchor})`;
  });
  rmSync(join(folder, "docs"), { recursive: true, force: true });
  mkdirSync(join(folder, "docs"), { recursive: true });
  for (const path of paths) {
    if (path.endsWith(".md")) writeFileSync(join(folder, path), inRepository(read(path), path));
    else copyFileSync(join(ROOT, path), join(folder, path));
  }
}

/** Writes `docs/` and `llms.txt` of the package. */
export function writePackagePages() {
  const all = pages();
  copyPages(join(ROOT, "pkg"), all.filter(({ inPackage }) => inPackage));
  const entry = ({ title, path, inPackage }) => `- [${title}](${inPackage ? "" : REPOSITORY}${path})`;
  const [title, , line] = read("pkg/README.md").split("\n");
  const list = (inPackage) => all.filter((page) => page.inPackage === inPackage).map(entry).join("\n");
  const text = `${title}\n\n> ${line.replaceAll("**", "")}\n\n- [Readme](README.md)\n- [Globals of programs](runstate.d.ts)\n\n## Pages\n\n${list(true)}\n\n## Optional\n\n${list(false)}\n`;
  writeFileSync(join(ROOT, "pkg/llms.txt"), text);
}

/** The files that it writes. */
export const packagePages = () => ["llms.txt", ...pages().filter(({ inPackage }) => inPackage).map(({ path }) => path), ...pictures()];

function writeSite(folder, reference) {
  copyPages(folder, pages());
  copyFileSync(join(ROOT, "book.toml"), join(folder, "book.toml"));
  copyFileSync(reference, join(folder, "docs/reference.md"));
  writeFileSync(join(folder, SUMMARY), `${read(SUMMARY)}- [Reference of operations](reference.md)\n`);
}

/** A link or picture: what it names before `#`, and the anchor. */
const LINK = /\]\(([^)\s#]*)(#[^)\s]*)?\)/g;

function documents(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) || SKIPPED.has(path) || entry.name.startsWith(".") ? [] : documents(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** The text of a document without its code. */
const prose = (path) => read(path).replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ""));

/** The anchors of the headings of a document, as GitHub and mdbook make them. */
function anchors(path) {
  const seen = new Map();
  return new Set([...prose(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}_\- ]/gu, "").trim().replaceAll(" ", "-");
    const repeated = seen.get(slug) ?? 0;
    seen.set(slug, repeated + 1);
    return `#${repeated === 0 ? slug : `${slug}-${repeated}`}`;
  }));
}

/** Returns the complaints. */
function checkLinks() {
  const complaints = [];
  for (const path of documents("")) {
    for (const [link, to, anchor] of prose(path).matchAll(LINK)) {
      if (to.includes(":")) continue;
      const target = to === "" ? path : normalize(join(dirname(path), to));
      if (!existsSync(join(ROOT, target))) complaints.push(`${path}: ${link.slice(1)}: no such file`);
      else if (anchor !== undefined && target.endsWith(".md") && !anchors(target).has(anchor)) complaints.push(`${path}: ${link.slice(1)}: no such heading`);
    }
  }
  const listed = new Set([SUMMARY, ...pages().map(({ path }) => path)]);
  for (const name of readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"))) {
    if (!listed.has(`docs/${name}`)) complaints.push(`docs/${name}: it is not in ${SUMMARY}`);
  }
  for (const [path, most] of Object.entries(MOST_LINES)) {
    const lines = read(path).trimEnd().split("\n").length;
    if (lines > most) complaints.push(`${path}: ${lines} lines; at most ${most}: a page of docs/ has the rest`);
  }
  return complaints;
}

/** The commands of this file, if it is the program and not imported by the build. */
const COMMANDS = {
  site: writeSite,
  check() {
    const complaints = checkLinks();
    for (const complaint of complaints) console.error(complaint);
    process.exitCode = complaints.length === 0 ? 0 : 1;
  },
};

if (basename(process.argv[1] ?? "") === "docs.mjs") {
  const [command, ...words] = process.argv.slice(2);
  if (!Object.hasOwn(COMMANDS, command ?? "") || words.length !== COMMANDS[command].length) {
    console.error("docs.mjs: usage: docs.mjs check | site FOLDER REFERENCE");
    process.exit(2);
  }
  COMMANDS[command](...words);
}
