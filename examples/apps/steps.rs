//! The steps that the Rust worker runs: `research`, `illustrate`, `publish`, and `unpublish`, which undoes `publish`.
//! Each of them may run again after its process has died, and then does the same.

use std::fs;
use std::path::PathBuf;

use runstate::blob::{Artifacts, Chunks, NewArtifact};
use runstate::domain::apps::StepWork;
use runstate::engine::Engine;
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Failure, Task, Worker};
use serde_json::json;

/// A worker for these steps. Articles are published in `folder`.
pub fn worker(engine: &Engine, folder: PathBuf) -> Worker<StepWork> {
    let artifacts = Artifacts::new(engine, Chunks::new(engine));
    let unpublished = folder.clone();
    Worker::new(engine, "rust")
        // The steps of a killed worker are claimed again after five seconds.
        .lease(Millis::seconds(5))
        .handle("research", 4, research)
        .handle("illustrate", 2, move |task| illustrate(artifacts.clone(), task))
        .handle("publish", 1, move |task| publish(folder.clone(), task))
        .handle("unpublish", 1, move |task| unpublish(unpublished.clone(), task))
}

fn text<'a>(input: &'a Json, name: &str) -> Result<&'a str, Failure> {
    input[name].as_str().ok_or_else(|| Failure::permanent(format!("the input has no text `{name}`")))
}

/// A source that does not answer at first. The configuration allows three attempts.
async fn research(task: Task<StepWork>) -> Result<Json, Failure> {
    if task.attempt == 1 {
        return Err(Failure::new("the source did not answer"));
    }
    let topic = text(&task.work.input, "topic")?;
    Ok(json!({"facts": [format!("People ask about {topic}."), format!("Few know much about {topic}.")]}))
}

/// Draws the topic. The picture is an artifact of the step: its bytes are stored, and the output names it.
async fn illustrate(artifacts: Artifacts, task: Task<StepWork>) -> Result<Json, Failure> {
    let topic: String = text(&task.work.input, "topic")?.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    let picture =
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 60"><text y="40">{topic}</text></svg>"#);
    let claimed = &task.work.claimed;
    let artifact = NewArtifact::of_step(&claimed.execution_id, claimed.step_id);
    let mut upload = artifacts.put(artifact.named("picture", "topic.svg", "image/svg+xml")).await?;
    upload.write(picture.as_bytes()).await?;
    Ok(json!({"artifact": upload.finish().await?}))
}

/// Writes the article under its final name at once, so no reader gets half of it.
async fn publish(folder: PathBuf, task: Task<StepWork>) -> Result<Json, Failure> {
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.md", task.work.claimed.execution_id));
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text(&task.work.input, "text")?)?;
    fs::rename(&unfinished, &path)?;
    Ok(json!({"path": path}))
}

/// Removes the article. It may be gone already.
async fn unpublish(folder: PathBuf, task: Task<StepWork>) -> Result<Json, Failure> {
    match fs::remove_file(folder.join(format!("{}.md", task.work.claimed.execution_id))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(Json::Null),
    }
}
