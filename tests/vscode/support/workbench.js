// The parts of VS Code's window that tests touch.

import { join } from "node:path";

import { withBrowser } from "../../browser/support/chromium.js";

const SCREENSHOTS = process.env.RUNSTATE_SCREENSHOTS;

/** The timeout of every wait, in milliseconds. */
const TIMEOUT_MS = 120_000;

/** What a failure reports: rows of the tree, messages, the active editor, and the list that is open. */
const SHOWN = [
  ".sidebar .monaco-list-row",
  ".notification-list-item-message",
  ".editor-group-container.active .tab.active",
  ".quick-input-widget:visible",
].join(", ");

/** Runs `act` with a browser. A failure reports what each window shows, and leaves a picture of it. */
export async function inBrowser(act) {
  await withBrowser((browser) => explained(browser, () => act(browser)));
}

/** Runs `act` on the windows of a browser. A failure reports what each window shows, and leaves a picture of it. */
export async function explained(browser, act) {
  try {
    await act();
  } catch (error) {
    const shown = [];
    for (const [n, page] of browser.pages().entries()) {
      shown.push(await page.locator(SHOWN).allInnerTexts().catch(String));
      await new Workbench(page).screenshot(`failure-${n}`).catch(() => {});
    }
    throw new Error(`the windows show ${JSON.stringify(shown)}`, { cause: error });
  }
}

export class Workbench {
  constructor(page, statusItem) {
    this.page = page;
    this.statusItem = statusItem;
  }

  /** Opens a window; it is ready when the extension shows its status item. */
  static async open(browser, url, statusItem = "runstate.questions") {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    await page.setViewportSize({ width: 1400, height: 860 });
    await page.goto(url);
    const workbench = new Workbench(page, statusItem);
    await workbench.ready();
    return workbench;
  }

  async ready() {
    await this.page.waitForSelector(".monaco-workbench .activitybar");
    await this.status().waitFor();
  }

  /** Reloads the window as a person does: the workbench stores its tabs first. */
  async reload() {
    const loaded = this.page.waitForEvent("load");
    await this.command("Developer: Reload Window");
    await loaded;
    await this.ready();
  }

  /**
   * Runs a command of the palette. Its list holds what the active editor offered when it opened: a palette without the
   * command is opened again. Nothing is typed before the palette has the focus, because it would go into a document.
   */
  async command(title) {
    const row = this.page.locator(`.quick-input-list .monaco-list-row.focused:has-text("${title}")`);
    const input = this.page.locator(".quick-input-widget:visible input:focus");
    for (let opening = 0; opening < 5; opening++) {
      await this.page.keyboard.press("F1");
      await input.waitFor();
      await this.page.keyboard.type(title);
      // Before the list follows what was typed, Enter would run the command that is there.
      if (await row.waitFor({ timeout: 6_000 }).then(() => true, () => false)) return this.page.keyboard.press("Enter");
      if (await input.isVisible()) await this.page.keyboard.press("Escape");
      await input.waitFor({ state: "hidden" });
    }
    throw new Error(`the palette does not offer “${title}”`);
  }

  /**
   * Replaces the text of an open file. The layout moves while pages are restored, and a click may then hit another
   * editor: nothing is typed before this one has the focus.
   */
  async replaceText(name, text) {
    const group = this.page.locator(`.editor-group-container.active:has(.tab.active:has-text("${name}"))`);
    const focused = group.locator(".monaco-editor.focused");
    for (let click = 0; click < 5; click++) {
      await this.page.locator(`.tab:has-text("${name}")`).click();
      await group.locator(".monaco-editor .view-line").first().click();
      if (await focused.waitFor({ timeout: 6_000 }).then(() => true, () => false)) break;
    }
    await focused.waitFor();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(text);
    // The editor closes braces by itself.
    await this.page.keyboard.press("Control+Shift+End");
    await this.page.keyboard.press("Delete");
  }

  /** Opens a file of the workspace from the explorer: the search for files needs a native program that is not installed. */
  async openFile(name) {
    await this.page.keyboard.press("Control+Shift+E");
    await this.page.locator(`.explorer-folders-view .monaco-list-row:has-text("${name}")`).dblclick();
    await this.page.waitForSelector(`.tab:has-text("${name}")`);
  }

  /**
   * Opens a program and waits until the extension offers to run it: the tab of a file is drawn before the extension host learns of its editor, and a command
   * in between finds none.
   */
  async openProgram(name) {
    await this.openFile(name);
    await this.lens("Run").waitFor();
  }

  async showTree() {
    const item = this.page.locator('.activitybar a[aria-label^="Runstate"]');
    if ((await item.locator("xpath=ancestor::li").getAttribute("aria-expanded")) !== "true") await item.click();
    await this.page.waitForSelector('.pane-header:has-text("Executions"), .sidebar .title-label:has-text("Runstate")');
  }

  row(text) {
    return this.page.locator(`.sidebar .monaco-list-row:has-text("${text}")`).first();
  }

  /** Clicks a row until `opened` is visible: a list that is drawn anew at that moment loses a click. */
  async openRow(text, opened) {
    for (let click = 0; click < 5; click++) {
      await this.row(text).click();
      if (await opened.waitFor({ timeout: 6_000 }).then(() => true, () => false)) return;
    }
    await opened.waitFor();
  }

  /** Takes a picture of the window, if the run wants pictures. */
  async screenshot(name) {
    if (SCREENSHOTS !== undefined) await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }

  /** The list or box that asks the person. */
  quickInput(text) {
    return this.page.locator(`.quick-input-widget:visible:has-text("${text}")`);
  }

  choice(text) {
    return this.page.locator(`.quick-input-list .monaco-list-row:has-text("${text}")`).first();
  }

  /** Presses a button of the dialog that asks for a confirmation. */
  async confirm(button) {
    await this.page.locator(`.monaco-dialog-box .monaco-button:has-text("${button}")`).first().click();
  }

  /** A link above a line of the editor. */
  lens(text) {
    return this.page.locator(`.codelens-decoration a:has-text("${text}")`).first();
  }

  status() {
    return this.page.locator(`.statusbar-item[id*="${this.statusItem}"]`);
  }

  message(text) {
    return this.page.locator(`.notification-list-item-message:has-text("${text}")`).first();
  }

  /** The document inside the webview. */
  webview() {
    return this.page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  }
}
