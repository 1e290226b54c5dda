//! runstate linked into a program: compile, start, answer, read the output.
//!
//! `cargo run -p runstate --example embed --features compiler`

use std::error::Error;
use std::sync::Arc;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost, open};
use runstate::limits::Settings;

const SOURCE: &str = r#"
    const name = CC("What is your name?");
    console.log(`Hello, ${name}!`);
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // `file:DIR` stores it on disk; every process that opens the same directory can continue it.
    let store = open::open("memory:").await?;
    let engine = Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog()?, Settings::default()).await?;
    let cvm = engine.cvm();

    let compiled = runstate::lang::compile("greet.ts", SOURCE).map_err(|found| found[0].to_string())?;
    cvm.load(&Load::new("greet", SOURCE, compiled.bytecode), None).await?;

    let execution = cvm.start(&Start::new("greet"), None).await?.id;
    println!("it asks: {}", cvm.show(&execution).await?.calls[0].prompt);

    cvm.answer(&execution, None, "Ada".into(), None, None).await?;
    println!("it said: {}", cvm.output(&execution).await?.join("\n"));
    Ok(())
}
