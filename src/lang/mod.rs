//! The compiler: a TypeScript subset to bytecode. It reads source and knows nothing of a running machine.
