// answers: ["Paris is the capital of France.", "About two million people live there.", "The user asked about Paris.", "Yes, take the train."]
type Role = "system" | "user" | "assistant";
interface Message { role: Role; content: string; tokens?: number }

const countTokens = (text: string): number => Math.ceil(text.split(/\s+|(?=[.,?!])/).filter(Boolean).length * 1.3);

class Chat {
  readonly #messages: Message[] = [];
  constructor(system: string, private readonly budget: number) {
    this.add("system", system);
  }
  private add(role: Role, content: string): Message {
    const message = { role, content, tokens: countTokens(content) };
    this.#messages.push(message);
    return message;
  }
  get tokens(): number {
    return this.#messages.reduce((sum, m) => sum + (m.tokens ?? 0), 0);
  }
  private async compact(): Promise<void> {
    if (this.tokens <= this.budget) return;
    const [system, ...rest] = this.#messages;
    const keep = rest.splice(-2);
    const summary = await CC(`Summarize in one sentence:\n${rest.map(({ role, content }) => `${role}: ${content}`).join("\n")}`);
    console.log(`compacted ${rest.length} messages: ${summary}`);
    this.#messages.length = 0;
    this.#messages.push(system);
    this.add("system", `Summary: ${summary}`);
    this.#messages.push(...keep);
  }
  async ask(question: string): Promise<string> {
    this.add("user", question);
    await this.compact();
    const answer = await CC(this.#messages.map((m) => `<${m.role}>${m.content}</${m.role}>`).join("\n"));
    this.add("assistant", answer);
    return answer;
  }
  toJSON() { return this.#messages.map(({ role, content }) => [role, content]); }
}

async function main() {
  const chat = new Chat("You are a travel guide.", 45);
  for (const question of ["What is the capital of France?", "How many people live there?", "Can I go there by train from London?"]) {
    console.log(`> ${question}`);
    console.log(await chat.ask(question), `(${chat.tokens} tokens)`);
  }
  console.log(JSON.stringify(chat, null, 1));
}
