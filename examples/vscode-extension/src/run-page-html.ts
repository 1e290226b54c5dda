// The markup of the run page. Its policy allows only the extension's own script and style: no network, no inline code.

export interface RunPageParts {
  id: string;
  /** What a person chose on the page before, as JSON. */
  state: unknown;
  script: string;
  style: string;
  origin: string;
}

export function runPageHtml({ id, state, script, style, origin }: RunPageParts): string {
  const policy = `default-src 'none'; style-src ${origin}; script-src ${origin}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>Execution</title>
</head>
<body data-id="${escapeAttribute(id)}" data-state="${escapeAttribute(JSON.stringify(state))}">
<main id="page" aria-live="polite"><p class="quiet">Loading…</p></main>
<script type="module" src="${script}"></script>
</body>
</html>`;
}

function escapeAttribute(text: string): string {
  return text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
