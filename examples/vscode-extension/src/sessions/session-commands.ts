// The commands on sessions. A window changes the sessions that it drives; others it recovers first.

import type { Runstate } from "runstate";
import type { Session } from "runstate/sessions";

import type { Editor } from "../editor.ts";
import { count } from "../format.ts";
import { registerCommand } from "../register-command.ts";
import type { Store } from "../store.ts";
import { SessionNode } from "../tree/sessions.ts";
import { hasEnded } from "./session-reader.ts";
import type { WindowSessions } from "./window-sessions.ts";

type Change = (rs: Runstate, session: Session, epoch: number) => Promise<unknown>;

export class SessionCommands {
  constructor(
    private readonly editor: Editor,
    private readonly store: Store,
    private readonly sessions: WindowSessions,
  ) {
    const isMine = (session: Session) => sessions.epochOf(session) !== undefined;
    const register = (name: string, title: string, fits: (session: Session) => boolean, act: (session: Session) => Promise<unknown>) => {
      const run = async (node: unknown) => {
        const session = await this.#sessionOf(node, title, fits);
        if (session !== undefined) await act(session);
      };
      registerCommand(editor, name, run, "trusted");
    };
    const isSilent = ({ status }: Session) => status === "stalled" || status === "failed";
    const isElsewhere = (session: Session) => (session.status === "active" || session.status === "paused") && !isMine(session);
    register("recoverSession", "Recover a session", isSilent, (session) => this.#recover(session));
    register("moveSession", "Move a session to this window", isElsewhere, (session) => this.#move(session));
    register("pauseSession", "Pause a session", (session) => isMine(session) && session.status === "active", this.#change(pause));
    register("resumeSession", "Resume a session", (session) => isMine(session) && session.status === "paused", this.#change(resume));
    register("completeSession", "Complete a session", (session) => isMine(session) && !hasEnded(session), (session) => this.#complete(session));
  }

  async #recover(session: Session): Promise<void> {
    const detail = "It becomes active, its task continues, and this window drives it. If its window opens again, that starts a new session.";
    if (!(await this.editor.confirm(`Recover the session “${session.projectId}” in this window?`, detail, "Recover"))) return;
    await this.sessions.recover(session.id);
  }

  async #move(session: Session): Promise<void> {
    const detail = "The window that drives it now shows a message and stops. The session becomes active, and its task continues.";
    if (!(await this.editor.confirm(`Move the session “${session.projectId}” to this window?`, detail, "Move"))) return;
    await this.sessions.recover(session.id);
  }

  async #complete(session: Session): Promise<void> {
    const open = session.openTasks === 0 ? "" : `${count(session.openTasks, "task")} of it did not end. One in progress fails, its execution stays. `;
    if (!(await this.editor.confirm(`Complete the session “${session.projectId}”?`, `${open}The next program runs in a new session.`, "Complete"))) return;
    await this.#change(complete)(session);
    await this.sessions.beat();
  }

  #change(change: Change): (session: Session) => Promise<unknown> {
    return async (session) => {
      const epoch = this.sessions.epochOf(session);
      if (epoch === undefined) return this.editor.inform(`This window does not drive the session “${session.projectId}”. Move it to this window first.`);
      return change(await this.store.open(), session, epoch);
    };
  }

  /** The session of a node; without one the person chooses among those that fit. */
  async #sessionOf(node: unknown, title: string, fits: (session: Session) => boolean): Promise<Session | undefined> {
    if (node instanceof SessionNode) return node.session;
    await this.store.refresh();
    const fitting = this.store.snapshot.sessions.map(({ session }) => session).filter(fits);
    if (fitting.length === 0) {
      this.editor.inform("No session has a status for this command.");
      return undefined;
    }
    const choices = fitting.map((session) => ({ label: session.projectId, description: `${session.status} · ${session.id}`, value: session }));
    return (await this.editor.pick(title, "Choose a session", choices))?.value;
  }
}

const pause: Change = (rs, { id }, epoch) => rs.sessions.session.pause(id, { epoch });

const resume: Change = (rs, { id }, epoch) => rs.sessions.session.resume(id, { epoch });

const complete: Change = (rs, { id }, epoch) => rs.sessions.session.complete(id, { epoch, force: true });
