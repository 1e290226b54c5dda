// Types vanish when the program is loaded: this file is not stored.

export type Kind = "bug" | "feature" | "question";

export interface Ticket {
  text: string;
  kind: Kind;
}
