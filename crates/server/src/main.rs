//! The command-line entry.

fn main() -> std::process::ExitCode {
    server::cli::main()
}
