//! A worker linked into a program: a program asks a model and a tool; two functions answer.
//!
//! `cargo run -p runstate --example worker --features compiler`

use std::error::Error;
use std::sync::Arc;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost, open};
use runstate::limits::Settings;
use runstate::value::Json;
use runstate::work::{Failure, Task, Told, Worker};

const SOURCE: &str = r#"
    const city = CC("Which city?", { choices: ["Oslo", "Rome"] });
    const weather = call("weather", { city });
    console.log(`${city}: ${weather.degrees} degrees`);
"#;

/// Stands in for a model: a real one would be sent the prompt.
async fn model(task: Task) -> Result<Json, Failure> {
    match task.work.call.choices {
        Some(choices) => choices.into_iter().next_back().ok_or_else(|| Failure::new("nothing to choose from")),
        None => Ok("I do not know".into()),
    }
}

/// A tool. `?` makes any error a failure that is tried again.
async fn weather(task: Task) -> Result<Json, Failure> {
    let city = task.work.call.args["city"].as_str().ok_or_else(|| Failure::for_good("no city is named"))?;
    let degrees: i32 = if city == "Rome" { "27" } else { "9" }.parse()?;
    Ok(serde_json::json!({ "degrees": degrees }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // `file:DIR` is shared by as many workers as there are processes.
    let store = open::open("memory:").await?;
    let engine = Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog()?, Settings::default()).await?;
    let cvm = engine.cvm();
    let compiled = runstate::lang::compile("trip.ts", SOURCE).map_err(|found| found[0].to_string())?;
    cvm.load(&Load::new("trip", SOURCE, compiled.bytecode), None).await?;
    let execution = cvm.start(&Start::of("trip"), None).await?.id;

    let worker =
        Worker::new(cvm.clone(), "example").handle("cc", 4, model).handle("weather", 4, weather).on_told(|told| {
            match told {
                Told::Answered { work, took, .. } => println!("answered {} in {} ms", work.call.kind, took.0),
                Told::Failed { work, failure, .. } => println!("failed {}: {}", work.call.kind, failure.message),
                _ => {}
            }
        });
    // A service would say `worker.run(ctrl_c)`: it serves until it is told to stop, and ends what runs.
    worker.drain().await?;

    println!("it said: {}", cvm.output(&execution).await?.join("\n"));
    Ok(())
}
