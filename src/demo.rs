//! `demo`
use clap::Args;
use std::process::ExitCode;
/// d
#[derive(Debug, Args)]
pub struct Demo {}
/// d
pub async fn run(_: Demo) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
