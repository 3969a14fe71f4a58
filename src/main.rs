//! The binary: everything is in the library.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    qwen_3_coder_proxy::cli::run().await
}
