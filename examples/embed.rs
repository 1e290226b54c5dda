//! runstate linked into a program: compile, start, answer, read the output.
//!
//! `cargo run -p runstate --example embed --features compiler`

use runstate::client::Cvm;
use runstate::engine::Error;

const SOURCE: &str = r#"
    const name = CC("What is your name?");
    console.log(`Hello, ${name}!`);
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // `file:DIR` stores it on disk; every process that opens the same directory can continue it.
    let cvm = Cvm::new(&runstate::open("memory:").await?);
    cvm.load_source("greet", SOURCE).await?;

    let mut run = cvm.start("greet").await?;
    println!("it asks: {}", run.show().await?.calls[0].prompt);

    run.answer("Ada").await?;
    println!("it said: {}", run.output().await?.join("\n"));
    Ok(())
}
